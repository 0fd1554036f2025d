// Kernels that work element by element, on the CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation, results
// bit-identical for every number of threads. Outputs may alias an input exactly (same address);
// partial overlap is not allowed. Buffers need no alignment beyond that of float.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace neuronode {

struct PointwiseKernels {
  /// y = max(x, 0); NaN stays NaN, as in PyTorch. n counts floats, padding lanes included.
  void (*relu)(const float* x, float* y, int64_t n);
  /// gx = y <= 0 ? 0 : gy.
  void (*reluGrad)(const float* gy, const float* y, float* gx, int64_t n);
  /// y = 1 / (1 + exp(-x)). Turns the padding lanes of a blocked buffer into 0.5: call
  /// ChannelKernels::zeroPaddingLanes after it.
  void (*sigmoid)(const float* x, float* y, int64_t n);
  /// gx = gy * y * (1 - y), y being the forward output.
  void (*sigmoidGrad)(const float* gy, const float* y, float* gx, int64_t n);
  /// y = a + b.
  void (*add)(const float* a, const float* b, float* y, int64_t n);
};

const PointwiseKernels& pointwiseKernels(Isa isa = detectIsa());

}  // namespace neuronode
