// Pooling loops over planes [H, W, V]; see cpu/pooling.h.
//
// The gradients scatter within a plane, which one thread owns, in the order of the outputs. Rows of
// gx are cleared just before the first output that reaches them, while they come into the cache.
#include "cpu/pooling.h"

#include <limits>

#include "cpu/elementwise_parallel.h"
#include "math/activation.h"

namespace neuronode::NN_ISA {
namespace {

/// The cells [begin, end) of a dilated window at `first` that lie inside [0, in).
struct Cells {
  int64_t begin, end;
};

[[gnu::always_inline]] inline Cells insideCells(int64_t first, int64_t kernel, int64_t dilation,
                                                int64_t in) {
  const int64_t begin = first >= 0 ? 0 : (-first + dilation - 1) / dilation;
  const int64_t end = first >= in ? 0 : std::min(kernel, (in - first + dilation - 1) / dilation);
  return {begin, std::max(begin, end)};
}

/// Clears rows [cleared, upTo) of a plane and moves `cleared` there.
[[gnu::always_inline]] inline void clearRows(float* plane, int64_t& cleared, int64_t upTo,
                                             int64_t rowFloats) {
  if (upTo <= cleared) return;
  std::memset(plane + cleared * rowFloats, 0, static_cast<size_t>((upTo - cleared) * rowFloats) * 4);
  cleared = upTo;
}

// Index is void where no indices are wanted.
template <int V, class Index>
void maxPoolPlane(const MaxPoolShape& s, const float* x, float* y, Index* indices) {
  using F = typename Lanes<V>::F;
  using I = typename Lanes<V>::I;
  constexpr bool kWithIndices = !std::is_void_v<Index>;
  for (int64_t oh = 0; oh < s.outH; ++oh) {
    const int64_t firstH = oh * s.strideH - s.padH;
    const Cells rows = insideCells(firstH, s.kernelH, s.dilationH, s.inH);
    for (int64_t ow = 0; ow < s.outW; ++ow) {
      const int64_t firstW = ow * s.strideW - s.padW;
      const Cells columns = insideCells(firstW, s.kernelW, s.dilationW, s.inW);
      F best = F{} - std::numeric_limits<float>::infinity();
      I position = I{} + static_cast<int32_t>(rows.begin * s.kernelW + columns.begin);
      for (int64_t kh = rows.begin; kh < rows.end; ++kh) {
        const float* row = x + (firstH + kh * s.dilationH) * s.inW * V;
        for (int64_t kw = columns.begin; kw < columns.end; ++kw) {
          const F value =
              *reinterpret_cast<const F*>(row + (firstW + kw * s.dilationW) * V);
          const auto wins = (value > best) | (value != value);
          best = wins ? value : best;
          if constexpr (kWithIndices) {
            position = wins ? I{} + static_cast<int32_t>(kh * s.kernelW + kw) : position;
          }
        }
      }
      const int64_t at = (oh * s.outW + ow) * V;
      *reinterpret_cast<F*>(y + at) = best;
      if constexpr (std::is_same_v<Index, uint8_t>) {
        convertLanes(position, *reinterpret_cast<typename Lanes<V>::B*>(indices + at));
      } else if constexpr (kWithIndices) {
        *reinterpret_cast<I*>(indices + at) = position;
      }
    }
  }
}

void maxPool(const MaxPoolShape& shape, const float* x, float* y, void* indices) {
  withBlock(shape.block, [&](auto block) {
    constexpr int V = block;
    const int64_t inFloats = shape.inH * shape.inW * V;
    const int64_t outFloats = shape.outH * shape.outW * V;
    parallelItems(shape.planes, inFloats, [&](int64_t plane) {
      const float* from = x + plane * inFloats;
      float* to = y + plane * outFloats;
      if (indices == nullptr) {
        maxPoolPlane<V, void>(shape, from, to, nullptr);
      } else if (maxPoolIndexBytes(shape) == 1) {
        maxPoolPlane<V>(shape, from, to, static_cast<uint8_t*>(indices) + plane * outFloats);
      } else {
        maxPoolPlane<V>(shape, from, to, static_cast<int32_t*>(indices) + plane * outFloats);
      }
    });
  });
}

template <int V, class Index>
void maxPoolGradPlane(const MaxPoolShape& s, const float* gy, const Index* indices,
                      const float* pooled, float* gx) {
  using F = typename Lanes<V>::F;
  using I = typename Lanes<V>::I;
  int64_t cleared = 0;
  for (int64_t oh = 0; oh < s.outH; ++oh) {
    const int64_t firstH = oh * s.strideH - s.padH;
    const Cells rows = insideCells(firstH, s.kernelH, s.dilationH, s.inH);
    clearRows(gx, cleared, std::min(s.inH, firstH + (s.kernelH - 1) * s.dilationH + 1),
              s.inW * V);
    for (int64_t ow = 0; ow < s.outW; ++ow) {
      const int64_t firstW = ow * s.strideW - s.padW;
      const Cells columns = insideCells(firstW, s.kernelW, s.dilationW, s.inW);
      const int64_t at = (oh * s.outW + ow) * V;
      F grad = *reinterpret_cast<const F*>(gy + at);
      if (pooled != nullptr) {
        grad = *reinterpret_cast<const F*>(pooled + at) <= F{} ? F{} : grad;
      }
      I position;
      if constexpr (std::is_same_v<Index, uint8_t>) {
        convertLanes(*reinterpret_cast<const typename Lanes<V>::B*>(indices + at), position);
      } else {
        position = *reinterpret_cast<const I*>(indices + at);
      }
      for (int64_t kh = rows.begin; kh < rows.end; ++kh) {
        float* row = gx + (firstH + kh * s.dilationH) * s.inW * V;
        for (int64_t kw = columns.begin; kw < columns.end; ++kw) {
          const I cell = I{} + static_cast<int32_t>(kh * s.kernelW + kw);
          F* to = reinterpret_cast<F*>(row + (firstW + kw * s.dilationW) * V);
          *to += position == cell ? grad : F{};
        }
      }
    }
  }
  clearRows(gx, cleared, s.inH, s.inW * V);
}

void maxPoolGrad(const MaxPoolShape& shape, const float* gy, const void* indices,
                 const float* pooled, float* gx) {
  withBlock(shape.block, [&](auto block) {
    constexpr int V = block;
    const int64_t inFloats = shape.inH * shape.inW * V;
    const int64_t outFloats = shape.outH * shape.outW * V;
    parallelItems(shape.planes, inFloats, [&](int64_t plane) {
      const int64_t from = plane * outFloats;
      const float* mask = pooled == nullptr ? nullptr : pooled + from;
      float* to = gx + plane * inFloats;
      if (maxPoolIndexBytes(shape) == 1) {
        maxPoolGradPlane<V>(shape, gy + from, static_cast<const uint8_t*>(indices) + from, mask,
                            to);
      } else {
        maxPoolGradPlane<V>(shape, gy + from, static_cast<const int32_t*>(indices) + from, mask,
                            to);
      }
    });
  });
}

void averagePool(const AveragePoolShape& shape, const float* x, float* y) {
  const AxisWindows& h = shape.h;
  const AxisWindows& w = shape.w;
  withBlock(shape.block, [&](auto block) {
    constexpr int V = block;
    using F = typename Lanes<V>::F;
    const int64_t inFloats = h.in * w.in * V;
    const int64_t outFloats = h.out * w.out * V;
    parallelItems(shape.planes, inFloats, [&](int64_t plane) {
      const float* from = x + plane * inFloats;
      float* to = y + plane * outFloats;
      for (int64_t oh = 0; oh < h.out; ++oh) {
        for (int64_t ow = 0; ow < w.out; ++ow) {
          F sum{};
          for (int64_t ih = h.start[oh]; ih < h.end[oh]; ++ih) {
            F rowSum{};
            for (int64_t iw = w.start[ow]; iw < w.end[ow]; ++iw) {
              rowSum += *reinterpret_cast<const F*>(from + (ih * w.in + iw) * V);
            }
            sum += rowSum;
          }
          // A window without any cell has the sum 0, whatever its count.
          const int32_t count = std::max(1, h.count[oh] * w.count[ow]);
          *reinterpret_cast<F*>(to + (oh * w.out + ow) * V) = sum / static_cast<float>(count);
        }
      }
    });
  });
}

void averagePoolGrad(const AveragePoolShape& shape, const float* gy, float* gx) {
  const AxisWindows& h = shape.h;
  const AxisWindows& w = shape.w;
  withBlock(shape.block, [&](auto block) {
    constexpr int V = block;
    using F = typename Lanes<V>::F;
    const int64_t inFloats = h.in * w.in * V;
    const int64_t outFloats = h.out * w.out * V;
    parallelItems(shape.planes, inFloats, [&](int64_t plane) {
      const float* from = gy + plane * outFloats;
      float* to = gx + plane * inFloats;
      int64_t cleared = 0;
      for (int64_t oh = 0; oh < h.out; ++oh) {
        clearRows(to, cleared, h.end[oh], w.in * V);
        for (int64_t ow = 0; ow < w.out; ++ow) {
          const int32_t count = std::max(1, h.count[oh] * w.count[ow]);
          const F share =
              *reinterpret_cast<const F*>(from + (oh * w.out + ow) * V) / static_cast<float>(count);
          for (int64_t ih = h.start[oh]; ih < h.end[oh]; ++ih) {
            for (int64_t iw = w.start[ow]; iw < w.end[ow]; ++iw) {
              *reinterpret_cast<F*>(to + (ih * w.in + iw) * V) += share;
            }
          }
        }
      }
      clearRows(to, cleared, h.in, w.in * V);
    });
  });
}

}  // namespace

extern const PoolingKernels poolingTable;
const PoolingKernels poolingTable = {maxPool, maxPoolGrad, averagePool, averagePoolGrad};

}  // namespace neuronode::NN_ISA
