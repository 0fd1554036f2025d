// Depthwise convolution (as many groups as channels, and as outputs) over channel-blocked
// activations: forward, input gradient and weight gradient, for every kernel size, stride, padding
// and dilation.
//
// Along each axis an output position reads some taps at some places. Positions that read the same
// taps side by side make a run; a run of rows by a run of columns is a box, within which a kernel
// asks nothing. So padding costs no test in a loop, and the input gradient of a strided layer,
// whose positions read different taps by turns, is the same loop as the forward pass.
//
// Policy: called from one thread, parallel inside with OpenMP; bit-identical for every number of
// threads, since work is cut by shape alone. No allocation in a pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cpu/convolution/conv_shape.h"
#include "cpu/isa.h"

namespace neuronode {

/// Positions of an output along one axis that read the same taps: position first + i * step reads
/// tap firstTap + j * tapStep at the input's firstIn + i * inStep + j * inTap, for j below taps.
struct WindowRun {
  int64_t first, count, step;
  int64_t firstTap, taps, tapStep;
  int64_t firstIn, inStep, inTap;
};

/// The runs that the outputs of a convolution have along an axis.
std::vector<WindowRun> forwardRuns(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                   int64_t pad, int64_t dilation);
/// The runs that the input's gradient has: positions are the input's, and what they read is the
/// output's gradient.
std::vector<WindowRun> inputGradRuns(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                     int64_t pad, int64_t dilation);

/// Positions side by side: how many, and the floats from one to the next.
struct DepthwiseLoop {
  int64_t count, from, to;
};

/// Positions whose taps are the same, of some images, rows and columns of one block of channels.
/// Distances are in floats. Tap (r, c) of a position is w[r * wRow + c * wColumn] and lies on
/// from[r * fromRow + c * fromColumn].
struct DepthwiseBox {
  DepthwiseLoop loops[3];  // the last is the innermost
  int64_t rowTaps, columnTaps;
  int64_t fromRow, fromColumn;
  int64_t wRow, wColumn;
  int64_t from, w, to;  // from the start of each tensor to the first tap of the first position
};

/// The block's planes in the first image, its filters [taps, lanes] and biases [lanes].
struct DepthwiseSums {
  const float* from;
  const float* w;
  const float* bias;
  const float* mask;  // like `to`, or null: where it is not positive the result is zero
  bool relu;
  float* to;
};

struct DepthwiseKernels {
  int lanes;
  /// to = bias + the sum over the taps, and what follows it.
  void (*sum)(const DepthwiseBox& box, const DepthwiseSums& sums);
  /// sums[tap] += x * gy over the box; sums: [taps, lanes].
  void (*addTaps)(const DepthwiseBox& box, const float* x, const float* gy, float* sums);
};

const DepthwiseKernels& depthwiseKernels(Isa isa = detectIsa());

/// Whether each channel is a group of its own with one output.
inline bool isDepthwise(const ConvShape& s) {
  return s.groups > 1 && s.groups == s.c && s.k == s.c;
}

/// Forward pass and input gradient.
class DepthwiseConv {
 public:
  enum class Pass { Forward, InputGradient };

  DepthwiseConv(const ConvShape& shape, Pass pass,
                const DepthwiseKernels& kernels = depthwiseKernels());

  std::size_t workspaceBytes() const;
  /// Forward: from: x, to: y. Input gradient: from: gy, to: gx. Both channel-blocked, with zeros in
  /// the padding lanes of `from`, and then in those of `to`. w: [c, 1, kernelH, kernelW] plain.
  /// bias: [c] or null. relu: of the result. mask: like `to`, or null: where it is not positive the
  /// result is zero.
  void run(const float* from, const float* w, const float* bias, const float* mask, bool relu,
           float* to, void* workspace) const;

 private:
  int64_t groups() const { return ceilDivide(shape_.n, imagesAtATime_); }

  ConvShape shape_;
  const DepthwiseKernels& kernels_;
  int64_t blocks_;
  int64_t fromPlane_, toPlane_;
  int64_t imagesAtATime_;
  std::vector<std::vector<DepthwiseBox>> boxes_;      // of some rows each
  std::vector<std::vector<DepthwiseBox>> lastBoxes_;  // of the last images
};

class DepthwiseWeightGrad {
 public:
  explicit DepthwiseWeightGrad(const ConvShape& shape,
                               const DepthwiseKernels& kernels = depthwiseKernels());

  std::size_t workspaceBytes() const;
  /// x, gy: channel-blocked with zeros in padding lanes; gw: [c, 1, kernelH, kernelW] plain,
  /// overwritten.
  void run(const float* x, const float* gy, float* gw, void* workspace) const;

 private:
  void addPiece(const float* x, const float* gy, int64_t block, int64_t piece, float* sums) const;

  ConvShape shape_;
  const DepthwiseKernels& kernels_;
  int64_t blocks_;
  int64_t xPlane_, gyPlane_;
  int64_t imagesAtATime_;
  std::vector<std::vector<DepthwiseBox>> boxes_;      // of some rows each
  std::vector<std::vector<DepthwiseBox>> lastBoxes_;  // of the last images
  int64_t pieces_, slices_;
};

}  // namespace neuronode
