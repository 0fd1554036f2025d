// The sizes of a convolution, for kernels of our own.
#pragma once

#include <algorithm>
#include <cstdint>

namespace neuronode {

/// x: [n, c, h, w], y: [n, k, outH, outW], weights: [k, c / groups, kernelH, kernelW].
struct ConvShape {
  int64_t n, c, h, w, k;
  int64_t kernelH, kernelW, outH, outW;
  int64_t strideH, strideW, padH, padW, dilationH, dilationW;
  int64_t groups = 1;

  int64_t taps() const { return kernelH * kernelW; }
  /// Whether each output position reads the one input position of the same place.
  bool isPointwise() const {
    return taps() == 1 && strideH == 1 && strideW == 1 && padH == 0 && padW == 0;
  }
};

struct PositionRange {
  int64_t begin, end;
};

constexpr int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Those of the output positions [begin, end) along an axis whose tap, `offset` from the window's
/// place, lies inside the `extent` input positions. Empty ranges have begin == end.
inline PositionRange insidePositions(int64_t begin, int64_t end, int64_t offset, int64_t stride,
                                     int64_t extent) {
  // 0 <= position * stride + offset < extent
  const int64_t first = offset >= 0 ? 0 : ceilDivide(-offset, stride);
  const int64_t last = offset >= extent ? 0 : ceilDivide(extent - offset, stride);
  begin = std::min(std::max(begin, first), end);
  return {begin, std::max(begin, std::min(end, last))};
}

}  // namespace neuronode
