// Element-wise kernels and the channel sums that bias gradients need, on the CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation, results
// bit-identical for every number of threads. Outputs may alias an input exactly (same address);
// partial overlap is not allowed. Buffers need no alignment beyond that of float.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace neuronode {

/// An activation of n images, c channels and hw pixels each, plain or with its channels in blocks:
/// element (n, c, i) lies at ((n*G + c/block)*hw + i)*block + c%block with G = ceil(c/block).
/// block = 1 is the plain layout NCHW. The lanes past c ("padding lanes") of a blocked buffer hold
/// zeros. A matrix [N, features] is {N, features, 1, 1}.
struct PlaneShape {
  int64_t n;
  int64_t c;
  int64_t hw;
  int block;

  constexpr int64_t groups() const { return (c + block - 1) / block; }
  /// Floats in the buffer, padding lanes included.
  constexpr int64_t elements() const { return n * groups() * hw * block; }
};

struct ElementwiseKernels {
  /// x: u8 [n, c, hw], y: f32 [n, c, hw], both plain; table: [c][256] from buildByteTable.
  void (*bytesToFloat)(const uint8_t* x, float* y, int64_t n, int64_t c, int64_t hw,
                       const float* table);
  /// y = max(x, 0); NaN stays NaN, as in PyTorch. n counts floats, padding lanes included.
  void (*relu)(const float* x, float* y, int64_t n);
  /// gx = y <= 0 ? 0 : gy.
  void (*reluGrad)(const float* gy, const float* y, float* gx, int64_t n);
  /// y = 1 / (1 + exp(-x)). Turns the padding lanes of a blocked buffer into 0.5: call
  /// zeroPaddingLanes after it.
  void (*sigmoid)(const float* x, float* y, int64_t n);
  /// gx = gy * y * (1 - y), y being the forward output.
  void (*sigmoidGrad)(const float* gy, const float* y, float* gx, int64_t n);
  /// y = a + b.
  void (*add)(const float* a, const float* b, float* y, int64_t n);
  /// y[i] += row[i] for each of the rows of y: [rows, columns].
  void (*addRow)(float* y, const float* row, int64_t rows, int64_t columns);
  /// Writes zeros to the lanes past shape.c of the last channel block; nothing if there are none.
  void (*zeroPaddingLanes)(float* x, const PlaneShape& shape);
  /// sums[c] = sum of x over images and pixels (the bias gradient of a convolution, and with
  /// {N, out, 1, 1} that of a linear layer). Writes exactly shape.c floats. Short runs are added in
  /// f32, their sums in f64, in an order that depends on the shape alone.
  void (*channelSum)(const float* x, float* sums, const PlaneShape& shape);
};

const ElementwiseKernels& elementwiseKernels(Isa isa = detectIsa());

/// table[k*256 + b] = (b / 255 - mean[k]) / std[k], each step rounded to f32, which is what
/// torchvision's ToTensor followed by Normalize computes. table: [c][256].
void buildByteTable(const float* mean, const float* std, int64_t c, float* table);

}  // namespace neuronode
