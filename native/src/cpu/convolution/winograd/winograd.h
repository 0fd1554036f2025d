// Winograd convolutions in f32 on the CPU: F(4x4, 3x3) and F(2x2, 5x5), forward and both gradients,
// for stride 1, dilation 1 and one group. They need 4.0x and 2.8x fewer multiplications than the
// direct method and lose about one decimal digit (relative error near 1e-6 to 1e-5).
//
// Policy: called from one thread, parallel inside with OpenMP, bit-identical results for every
// number of threads, no allocation after construction. Activations are channel-blocked
// (nChw8c or nChw16c, see channelBlock), with zeros in the lanes past the last channel, both as
// they come and as they are written. Weights, their gradients and biases are plain (OIHW, [K]).
// Buffers do not overlap; activations and the workspace are aligned to 64 bytes.
#pragma once

#include <cstddef>

#include "cpu/convolution/winograd/table.h"
#include "cpu/isa.h"

namespace neuronode {

/// x: [n, c, h, w], weights: [k, c, kernel, kernel], y: [n, k, outputH, outputW].
struct WinogradShape {
  int n;
  int c;
  int k;
  int h;
  int w;
  int kernel;
  int padH;
  int padW;

  constexpr int outputH() const { return h + 2 * padH - kernel + 1; }
  constexpr int outputW() const { return w + 2 * padW - kernel + 1; }
};

enum class WinogradPass { Forward, InputGradient, WeightGradient };

class WinogradConv {
 public:
  /// Whether there is a kernel for the shape: 3x3 or 5x5, padding of at least 0, a non-empty
  /// output.
  static bool supported(const WinogradShape& shape);
  /// Whether it is likely to beat a direct convolution: enough tiles and channels to pay for the
  /// transforms.
  static bool profitable(const WinogradShape& shape);

  /// Throws std::invalid_argument unless supported(shape).
  explicit WinogradConv(const WinogradShape& shape, Isa isa = detectIsa());
  WinogradConv(const WinogradShape& shape, const WinogradKernels& kernels);

  const WinogradShape& shape() const { return shape_; }
  std::size_t workspaceBytes(WinogradPass pass) const;

  /// y = conv(x, w) + bias, then max(., 0) if relu. bias may be null.
  void forward(const float* x, const float* w, const float* bias, float* y, bool relu,
               void* workspace) const;
  /// gx = the gradient with respect to x. reluMask, if not null, is x's layer as its ReLU wrote it:
  /// gx is zero where reluMask <= 0.
  void inputGradient(const float* gy, const float* w, float* gx, const float* reluMask,
                     void* workspace) const;
  /// gw and gb = the gradients with respect to w and the bias (gb may be null). Both are
  /// overwritten.
  void weightGradient(const float* x, const float* gy, float* gw, float* gb, void* workspace) const;

 private:
  struct Plan;

  WinogradGrid inputGrid() const;
  WinogradGrid outputGrid() const;
  Plan plan(WinogradPass pass) const;
  void product(WinogradPass pass, const WinogradGrid& from, const WinogradGrid& to, const float* x,
               const float* w, const float* bias, WinogradEpilogue epilogue, const float* mask,
               float* y, void* workspace) const;

  WinogradShape shape_;
  const WinogradKernels* kernels_;
};

}  // namespace neuronode
