// Convolutions and their gradients as matrix products, for those that oneDNN computes so too:
// groups that are no whole channel blocks, few channels, processors without AVX2.
//
// oneDNN's own GEMM-based kernels cut the products where the number of threads says, which decides
// about rounding. Here the work is cut by shape alone, and each product is single-threaded.
//
// Policy: called from one thread, parallel inside with OpenMP; bit-identical for every number of
// threads. Everything is plain and dense. Throws ERR_NN_NATIVE or ERR_NN_OUT_OF_MEMORY where oneDNN
// fails.
#pragma once

#include <cstddef>

#include "cpu/convolution/conv_shape.h"

namespace neuronode {

class GemmConv {
 public:
  /// `threads`: of the OpenMP teams that will run it, for each of which the workspace has a part.
  GemmConv(const ConvShape& shape, int threads);

  std::size_t forwardBytes() const;
  /// y = x * w + bias (which may be null), with ReLU if asked for.
  void forward(const float* x, const float* w, const float* bias, float* y, bool relu,
               void* workspace) const;

  std::size_t inputGradientBytes() const;
  void inputGradient(const float* gy, const float* w, float* gx, void* workspace) const;

  std::size_t weightGradientBytes() const;
  void weightGradient(const float* x, const float* gy, float* gw, void* workspace) const;

 private:
  // Output pixels [begin, end) of one image.
  struct Strip {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
  };

  struct Columns {
    const float* data;  // [channels, taps, strip]
    int64_t stride;
  };

  int64_t pixels() const { return shape_.outH * shape_.outW; }
  int64_t rows() const { return shape_.c / shape_.groups * shape_.taps(); }
  int64_t stripPixels(int64_t rows) const;
  int64_t channelsAtOnce() const;
  int64_t gradientFloats() const { return shape_.k * rows(); }
  int64_t gradientSlices() const;
  template <class Segment>
  void forSegments(const Strip& strip, int64_t tap, Segment segment) const;
  void gather(const float* x, int64_t channels, const Strip& strip, float* columns) const;
  Columns columnsOf(const float* x, const Strip& strip, float* gathered) const;
  void scatterAdd(const float* columns, int64_t channels, const Strip& strip, float* gx) const;

  ConvShape shape_;
  int threads_;
};

}  // namespace neuronode
