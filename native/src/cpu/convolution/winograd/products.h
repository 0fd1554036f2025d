// The products of the Winograd kernels, for one position and one panel: loops of register blocks,
// with the last, smaller block dispatched to a template of its size.
#pragma once

#include "cpu/gemm_micro.h"

namespace neuronode::NN_ISA {

// Fetches panels ahead of their use, a part with each block of rows. Without it the first blocks of
// every panel wait for the L3 cache or memory.
class PanelPrefetch {
 public:
  PanelPrefetch(const float* next, std::ptrdiff_t floats, int blocks)
      : at_(next),
        end_(next == nullptr ? nullptr : next + floats),
        share_((floats / kLineFloats / (blocks > 0 ? blocks : 1) + 1) * kLineFloats) {}

  NN_INLINE void step() {
    const float* const stop = end_ - at_ > share_ ? at_ + share_ : end_;
    for (; at_ < stop; at_ += kLineFloats) __builtin_prefetch(at_);
  }

 private:
  static constexpr std::ptrdiff_t kLineFloats = 16;

  const float* at_;
  const float* end_;
  std::ptrdiff_t share_;
};

template <int Rows>
void multiplyRemainder(int rows, const float* v, std::ptrdiff_t groupStride, int groups,
                       const float* u, float* m, bool accumulate) {
  if constexpr (Rows > 0) {
    if (rows == Rows) {
      multiplyBlock<Rows>(v, groupStride, groups, u, m, kPanel, accumulate);
    } else {
      multiplyRemainder<Rows - 1>(rows, v, groupStride, groups, u, m, accumulate);
    }
  }
}

inline void multiply(const float* v, std::ptrdiff_t groupStride, int groups, const float* u,
                     const float* next, float* m, int tiles, bool accumulate) {
  PanelPrefetch prefetch(next, static_cast<std::ptrdiff_t>(groups) * kLanes * kPanel,
                         tiles / kRows);
  int t = 0;
  for (; t + kRows <= tiles; t += kRows) {
    prefetch.step();
    multiplyBlock<kRows>(v + t * kLanes, groupStride, groups, u, m + t * kPanel, kPanel,
                         accumulate);
  }
  multiplyRemainder<kRows - 1>(tiles - t, v + t * kLanes, groupStride, groups, u, m + t * kPanel,
                               accumulate);
}

template <int Rows>
NN_INLINE void multiplyChannels(int first, const float* v, std::ptrdiff_t groupStride, int tiles,
                                const float* u, float* du, bool accumulate) {
  const float* row[Rows];
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
    const int channel = first + r;
    row[r] = v + channel / kLanes * groupStride + channel % kLanes;
  }
  multiplyTransposedBlock<Rows>(row, tiles, u, du, accumulate);
}

template <int Rows>
void multiplyChannelsRemainder(int rows, int first, const float* v, std::ptrdiff_t groupStride,
                               int tiles, const float* u, float* du, bool accumulate) {
  if constexpr (Rows > 0) {
    if (rows == Rows) {
      multiplyChannels<Rows>(first, v, groupStride, tiles, u, du, accumulate);
    } else {
      multiplyChannelsRemainder<Rows - 1>(rows, first, v, groupStride, tiles, u, du, accumulate);
    }
  }
}

inline void multiplyTransposed(const float* v, std::ptrdiff_t groupStride, int channels,
                               const float* u, const float* next, int tiles, float* du,
                               bool accumulate) {
  PanelPrefetch prefetch(next, static_cast<std::ptrdiff_t>(tiles) * kPanel,
                         channels / kTransposedRows);
  int c = 0;
  for (; c + kTransposedRows <= channels; c += kTransposedRows) {
    prefetch.step();
    multiplyChannels<kTransposedRows>(c, v, groupStride, tiles, u, du + c * kPanel, accumulate);
  }
  multiplyChannelsRemainder<kTransposedRows - 1>(channels - c, c, v, groupStride, tiles, u,
                                                 du + c * kPanel, accumulate);
}

inline void sumRows(const float* u, int rows, float* sum, bool accumulate) {
  for (int v = 0; v < kPanelVecs; ++v) {
    Vec total = {};
    for (int r = 0; r < rows; ++r) total = total + load(u + r * kPanel + v * kLanes);
    store(sum + v * kLanes, accumulate ? load(sum + v * kLanes) + total : total);
  }
}

}  // namespace neuronode::NN_ISA
