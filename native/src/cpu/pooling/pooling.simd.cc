// Pooling loops over planes [H, W, V]; see cpu/pooling/pooling.h.
//
// The gradients scatter within a plane, which one thread owns, in the order of the outputs. Rows of
// gx are cleared just before the first output that reaches them, while they come into the cache.
#include "cpu/pooling/pooling.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <limits>
#include <utility>

#include "cpu/parallel.h"
#include "math/activation.h"

namespace neuronode::NN_ISA {
namespace {

// Indices between i32 lanes and bytes. GCC 12 converts such vectors one lane at a time, hence the
// SSE2 forms; positions are below 256, so that their saturation changes nothing.
template <int V>
[[gnu::always_inline]] inline void narrowLanes(const typename Lanes<V>::I& lanes, uint8_t* bytes) {
#if defined(__x86_64__)
  if constexpr (V > 1) {
    __m128i parts[V / 4];
    std::memcpy(parts, &lanes, sizeof parts);
    for (int i = 0; i < V / 8; ++i) {
      const __m128i words = _mm_packs_epi32(parts[2 * i], parts[2 * i + 1]);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(bytes + 8 * i), _mm_packus_epi16(words, words));
    }
    return;
  }
#endif
  typename Lanes<V>::B narrow;
  convertLanes(lanes, narrow);
  Lanes<V>::store(bytes, narrow);
}

template <int V>
[[gnu::always_inline]] inline void widenLanes(const uint8_t* bytes, typename Lanes<V>::I& lanes) {
#if defined(__x86_64__)
  const __m128i zero = _mm_setzero_si128();
  __m128i parts[V / 4];
  for (int i = 0; i < V / 8; ++i) {
    const __m128i packed = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes + 8 * i));
    const __m128i words = _mm_unpacklo_epi8(packed, zero);
    parts[2 * i] = _mm_unpacklo_epi16(words, zero);
    parts[2 * i + 1] = _mm_unpackhi_epi16(words, zero);
  }
  std::memcpy(&lanes, parts, sizeof lanes);
#else
  convertLanes(Lanes<V>::load(bytes), lanes);
#endif
}

/// The cells [begin, end) of a dilated window at `first` that lie inside [0, in).
struct Cells {
  int64_t begin, end;
};

[[gnu::always_inline]] inline Cells insideCells(int64_t first, int64_t kernel, int64_t dilation,
                                                int64_t in) {
  // Most windows lie inside, and most others are not dilated: neither needs a division.
  if (first >= 0 && first + (kernel - 1) * dilation < in) return {0, kernel};
  const auto steps = [dilation](int64_t distance) {
    return dilation == 1 ? distance : (distance + dilation - 1) / dilation;
  };
  const int64_t begin = first >= 0 ? 0 : steps(-first);
  const int64_t end = first >= in ? 0 : std::min(kernel, steps(in - first));
  return {begin, std::max(begin, end)};
}

/// Clears rows [cleared, upTo) of a plane and moves `cleared` there.
[[gnu::always_inline]] inline void clearRows(float* plane, int64_t& cleared, int64_t upTo,
                                             int64_t rowFloats) {
  if (upTo <= cleared) return;
  std::memset(plane + cleared * rowFloats, 0,
              static_cast<size_t>((upTo - cleared) * rowFloats) * 4);
  cleared = upTo;
}

/// Calls cell(kh, kw) for the cells of a window in order. kKernel is the size of a square window
/// known at compile time, which unrolls windows without cells outside, or 0.
template <int kKernel, class Cell>
[[gnu::always_inline]] inline void forCells(Cells rows, Cells columns, Cell cell) {
  if constexpr (kKernel != 0) {
    if (rows.end - rows.begin == kKernel && columns.end - columns.begin == kKernel) {
      [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
        (cell(i / kKernel, i % kKernel), ...);
      }
      (std::make_integer_sequence<int, kKernel * kKernel>{});
      return;
    }
  }
  for (int64_t kh = rows.begin; kh < rows.end; ++kh) {
    for (int64_t kw = columns.begin; kw < columns.end; ++kw) cell(kh, kw);
  }
}

/// Calls fn with the compile-time kernel sizes that are worth it, of square windows.
template <int V, class Fn>
void withKernel(const MaxPoolShape& s, Fn fn) {
  if (V > 1 && s.kernelH == 3 && s.kernelW == 3) {
    fn(std::integral_constant<int, 3>{});
  } else if (V > 1 && s.kernelH == 2 && s.kernelW == 2) {
    fn(std::integral_constant<int, 2>{});
  } else {
    fn(std::integral_constant<int, 0>{});
  }
}

// Index is void where no indices are wanted.
template <int V, int kKernel, class Index>
void maxPoolPlane(const MaxPoolShape& s, const float* x, float* y, Index* indices) {
  using F = typename Lanes<V>::F;
  using I = typename Lanes<V>::I;
  constexpr bool kWithIndices = !std::is_void_v<Index>;
  const int64_t kernelW = kKernel != 0 ? kKernel : s.kernelW;
  for (int64_t oh = 0; oh < s.outH; ++oh) {
    const int64_t firstH = oh * s.strideH - s.padH;
    const Cells rows = insideCells(firstH, s.kernelH, s.dilationH, s.inH);
    for (int64_t ow = 0; ow < s.outW; ++ow) {
      const int64_t firstW = ow * s.strideW - s.padW;
      const Cells columns = insideCells(firstW, s.kernelW, s.dilationW, s.inW);
      F best = F{} - std::numeric_limits<float>::infinity();
      // Position 0 of a window without any cell inside is outside too, and gets no gradient.
      const bool empty = rows.begin == rows.end || columns.begin == columns.end;
      const int64_t firstCell = empty ? 0 : rows.begin * kernelW + columns.begin;
      I position = I{} + static_cast<int32_t>(firstCell);
      forCells<kKernel>(
          rows, columns, [&](int64_t kh, int64_t kw) __attribute__((always_inline)) {
            const int64_t from = (firstH + kh * s.dilationH) * s.inW + firstW + kw * s.dilationW;
            const F value = Lanes<V>::load(x + from * V);
            const auto wins = (value > best) | (value != value);
            best = wins ? value : best;
            if constexpr (kWithIndices) {
              position = wins ? I{} + static_cast<int32_t>(kh * kernelW + kw) : position;
            }
          });
      const int64_t at = (oh * s.outW + ow) * V;
      Lanes<V>::store(y + at, best);
      if constexpr (std::is_same_v<Index, uint8_t>) {
        narrowLanes<V>(position, indices + at);
      } else if constexpr (kWithIndices) {
        Lanes<V>::store(indices + at, position);
      }
    }
  }
}

void maxPool(const MaxPoolShape& shape, const float* x, float* y, void* indices) {
  withBlock(shape.block, [&](auto block) {
    constexpr int V = block;
    const int64_t inFloats = shape.inH * shape.inW * V;
    const int64_t outFloats = shape.outH * shape.outW * V;
    const bool bytes = maxPoolIndexBytes(shape) == 1;
    withKernel<V>(shape, [&](auto kernel) {
      constexpr int K = kernel;
      parallelItems(shape.planes, inFloats, [&](int64_t plane) {
        const float* from = x + plane * inFloats;
        const int64_t out = plane * outFloats;
        if (indices == nullptr) {
          maxPoolPlane<V, K, void>(shape, from, y + out, nullptr);
        } else if (bytes) {
          maxPoolPlane<V, K>(shape, from, y + out, static_cast<uint8_t*>(indices) + out);
        } else {
          maxPoolPlane<V, K>(shape, from, y + out, static_cast<int32_t*>(indices) + out);
        }
      });
    });
  });
}

/// The one cell of a plain layout's window.
template <class Index>
[[gnu::always_inline]] inline void scatterOne(const MaxPoolShape& s, int64_t firstH, int64_t firstW,
                                              Index position, float grad, float* gx) {
  const uint32_t cell = static_cast<uint32_t>(position);
  const uint32_t width = static_cast<uint32_t>(s.kernelW);
  const int64_t ih = firstH + cell / width * s.dilationH;
  const int64_t iw = firstW + cell % width * s.dilationW;
  // A window without any cell inside has position 0, which is outside.
  if (ih >= 0 && ih < s.inH && iw >= 0 && iw < s.inW) gx[ih * s.inW + iw] += grad;
}

template <int V, int kKernel, class Index>
void maxPoolGradPlane(const MaxPoolShape& s, const float* gy, const Index* indices,
                      const float* pooled, float* gx) {
  using F = typename Lanes<V>::F;
  using I = typename Lanes<V>::I;
  const int64_t kernelW = kKernel != 0 ? kKernel : s.kernelW;
  int64_t cleared = 0;
  for (int64_t oh = 0; oh < s.outH; ++oh) {
    const int64_t firstH = oh * s.strideH - s.padH;
    const Cells rows = insideCells(firstH, s.kernelH, s.dilationH, s.inH);
    clearRows(gx, cleared, std::min(s.inH, firstH + (s.kernelH - 1) * s.dilationH + 1), s.inW * V);
    for (int64_t ow = 0; ow < s.outW; ++ow) {
      const int64_t firstW = ow * s.strideW - s.padW;
      const int64_t at = (oh * s.outW + ow) * V;
      F grad = Lanes<V>::load(gy + at);
      if (pooled != nullptr) {
        grad = Lanes<V>::load(pooled + at) <= F{} ? F{} : grad;
      }
      if constexpr (V == 1) {
        scatterOne(s, firstH, firstW, indices[at], grad, gx);
      } else {
        const Cells columns = insideCells(firstW, s.kernelW, s.dilationW, s.inW);
        I position;
        if constexpr (std::is_same_v<Index, uint8_t>) {
          widenLanes<V>(indices + at, position);
        } else {
          position = Lanes<V>::load(indices + at);
        }
        forCells<kKernel>(
            rows, columns, [&](int64_t kh, int64_t kw) __attribute__((always_inline)) {
              const I cell = I{} + static_cast<int32_t>(kh * kernelW + kw);
              const int64_t to = (firstH + kh * s.dilationH) * s.inW + firstW + kw * s.dilationW;
              Lanes<V>::store(gx + to * V,
                              Lanes<V>::load(gx + to * V) + (position == cell ? grad : F{}));
            });
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
    const bool bytes = maxPoolIndexBytes(shape) == 1;
    withKernel<V>(shape, [&](auto kernel) {
      constexpr int K = kernel;
      parallelItems(shape.planes, inFloats, [&](int64_t plane) {
        const int64_t out = plane * outFloats;
        const float* mask = pooled == nullptr ? nullptr : pooled + out;
        float* to = gx + plane * inFloats;
        if (bytes) {
          maxPoolGradPlane<V, K>(shape, gy + out, static_cast<const uint8_t*>(indices) + out, mask,
                                 to);
        } else {
          maxPoolGradPlane<V, K>(shape, gy + out, static_cast<const int32_t*>(indices) + out, mask,
                                 to);
        }
      });
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
              rowSum += Lanes<V>::load(from + (ih * w.in + iw) * V);
            }
            sum += rowSum;
          }
          // A window without any cell has the sum 0, whatever its count.
          const int64_t count = std::max<int64_t>(1, int64_t{h.count[oh]} * w.count[ow]);
          Lanes<V>::store(to + (oh * w.out + ow) * V, sum / static_cast<float>(count));
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
          const int64_t count = std::max<int64_t>(1, int64_t{h.count[oh]} * w.count[ow]);
          const F share = Lanes<V>::load(from + (oh * w.out + ow) * V) / static_cast<float>(count);
          for (int64_t ih = h.start[oh]; ih < h.end[oh]; ++ih) {
            for (int64_t iw = w.start[ow]; iw < w.end[ow]; ++iw) {
              float* cell = to + (ih * w.in + iw) * V;
              Lanes<V>::store(cell, Lanes<V>::load(cell) + share);
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
