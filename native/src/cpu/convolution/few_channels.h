// The weight gradient of a convolution that reads few channels, such as a network's first layer.
//
// oneDNN has a direct kernel for it on some processors only and falls back to im2col and GEMM on
// others. Here each output gradient is multiplied straight with the pixels under the filter: a
// GEMM of taps x outputs over all positions, whose left side is read from the image as it lies.
//
// Policy: called from one thread, parallel inside with OpenMP over outputs and taps, never over
// images, so that results are bit-identical for every number of threads. No allocation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/convolution/conv_shape.h"
#include "cpu/isa.h"

namespace neuronode {

/// One row of taps for one or two channel blocks of outputs.
struct FewChannelsRow {
  const float* x;   // the pixel under the row's first tap at output (0, 0)
  const float* gy;  // [outH, outW, lanes], first block
  int64_t outH, outW;
  int64_t strideW, dilationW;
  int64_t rowStep;      // floats from one output row's pixels to the next one's
  int64_t blockStride;  // floats from the first block of gy to the second
  int64_t kernelW;
  int blocks;   // 1 or 2
  float* sums;  // [kernelW, 2, lanes], added to
};

struct FewChannelsKernels {
  int lanes;
  void (*accumulateRow)(const FewChannelsRow& row);
};

const FewChannelsKernels& fewChannelsKernels(Isa isa = detectIsa());

class FewChannelsWeightGrad {
 public:
  /// shape: of one group.
  explicit FewChannelsWeightGrad(const ConvShape& shape,
                                 const FewChannelsKernels& kernels = fewChannelsKernels());

  std::size_t workspaceBytes() const;
  /// x: plain; gy: channel-blocked; gw: OIHW plain, overwritten.
  void run(const float* x, const float* gy, float* gw, void* workspace) const;

 private:
  int64_t paddedH() const { return shape_.h + 2 * shape_.padH; }
  int64_t paddedW() const { return shape_.w + 2 * shape_.padW; }
  bool isPadded() const { return shape_.padH > 0 || shape_.padW > 0; }
  int64_t imageFloats() const { return shape_.c * paddedH() * paddedW(); }
  int64_t blockPairs() const;
  int64_t sumFloats() const;
  void copyPadded(const float* x, int64_t images, float* padded) const;
  void storeGradient(const float* sums, float* gw) const;

  ConvShape shape_;
  const FewChannelsKernels& kernels_;
};

}  // namespace neuronode
