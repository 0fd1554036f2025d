// Max, average and adaptive average pooling on the CPU, forward and gradient, on plain NCHW
// (block = 1) and on blocked nChw{V}c (block = 8 or 16; any table runs either).
//
// Policy: called from one device thread, parallel over planes inside (a plane is one channel, or
// one block of channels, of one image), no allocation in the run functions, bit-identical for every
// number of threads. Padding lanes that hold zeros give zeros, but for max-pool windows that lie
// wholly in the padding, which give -infinity. No output may alias an input.
// Shapes are checked by the caller.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/isa.h"

namespace neuronode {

/// x: [planes, inH, inW, block], y: [planes, outH, outW, block];
/// planes = N * ceil(C / block). Ceil mode is already in outH, outW.
struct MaxPoolShape {
  int64_t planes;
  int block;
  int64_t inH, inW, outH, outW;
  int64_t kernelH, kernelW, strideH, strideW, padH, padW, dilationH, dilationW;
};

/// Bytes of one index: 1 (u8) while the window has at most 256 cells, else 4 (i32).
constexpr int maxPoolIndexBytes(const MaxPoolShape& s) {
  return s.kernelH * s.kernelW <= 256 ? 1 : 4;
}

/// For each output position along one axis, the input positions [start, end) that it averages and
/// the count that its sum is divided by (which may include padding).
struct AxisWindows {
  int64_t in;
  int64_t out;
  std::vector<int32_t> start, end, count;
};

/// Windows of AvgPool2d along one axis, as PyTorch clips them; ceil mode is already in `out`.
AxisWindows averageWindows(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                           bool countIncludePad);
/// Bins of AdaptiveAvgPool2d along one axis: [floor(i*in/out), ceil((i+1)*in/out)).
AxisWindows adaptiveWindows(int64_t in, int64_t out);

/// Average and adaptive average pooling alike.
/// x: [planes, h.in, w.in, block], y: [planes, h.out, w.out, block].
struct AveragePoolShape {
  int64_t planes;
  int block;
  AxisWindows h, w;
};

struct PoolingKernels {
  /// y = maximum of each window; padding counts as -infinity, NaN wins, of equals the first.
  /// indices: null, or one u8 / i32 (maxPoolIndexBytes) per element of y, in y's layout: the
  /// position kh * kernelW + kw of the maximum in its window.
  void (*maxPool)(const MaxPoolShape& shape, const float* x, float* y, void* indices);
  /// gx = 0, then gy added where each maximum was (every float of gx is written).
  /// pooled: null, or maxPool's output y: where y <= 0, gy does not pass, which folds in the
  /// gradient of a ReLU in front of the pool (its input is then max(z, 0), and gx is z's gradient).
  void (*maxPoolGrad)(const MaxPoolShape& shape, const float* gy, const void* indices,
                      const float* pooled, float* gx);
  void (*averagePool)(const AveragePoolShape& shape, const float* x, float* y);
  void (*averagePoolGrad)(const AveragePoolShape& shape, const float* gy, float* gx);
};

const PoolingKernels& poolingKernels(Isa isa = detectIsa());

}  // namespace neuronode
