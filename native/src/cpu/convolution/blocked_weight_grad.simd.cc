#include "cpu/convolution/blocked_weight_grad.h"

#include "cpu/convolution/winograd/vector.h"

namespace neuronode::NN_ISA {

namespace {

// Sums, one vector of each block of outputs and one broadcast value fill the registers: 8 x 2 of 32
// zmm, which is enough to hide latency, 4 x 3 of 16 ymm, 4 x 1 (two xmm each) for the baseline.
#if defined(__AVX512F__)
constexpr int kChannels = 8;
constexpr int kBlocks = 2;
#elif defined(__AVX2__)
constexpr int kChannels = 4;
constexpr int kBlocks = 3;
#else
constexpr int kChannels = 4;
constexpr int kBlocks = 1;
#endif
static_assert(kLanes % kChannels == 0);

template <int Blocks>
NN_INLINE void addChannels(const TapSum& tap, int first) {
  Vec sum[kChannels][Blocks] = {};
  for (int64_t image = 0; image < tap.images; ++image) {
    for (int64_t row = 0; row < tap.rows; ++row) {
      const float* x = tap.x + image * tap.xImage + row * tap.xRow + first;
      const float* gy = tap.gy + image * tap.gyImage + row * tap.gyRow;
      for (int64_t column = 0; column < tap.columns; ++column) {
        Vec right[Blocks];
#pragma GCC unroll 3
        for (int b = 0; b < Blocks; ++b) right[b] = load(gy + b * tap.gyBlock);
#pragma GCC unroll 8
        for (int c = 0; c < kChannels; ++c) {
          const Vec left = splat(x[c]);
#pragma GCC unroll 3
          for (int b = 0; b < Blocks; ++b) sum[c][b] = multiplyAdd(left, right[b], sum[c][b]);
        }
        x += tap.xColumn;
        gy += kLanes;
      }
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < kChannels; ++c) {
#pragma GCC unroll 3
    for (int b = 0; b < Blocks; ++b) {
      float* at = tap.sums + (first + c) * tap.sumStride + b * kLanes;
      store(at, load(at) + sum[c][b]);
    }
  }
}

template <int Blocks>
void addBlocks(const TapSum& tap) {
  if constexpr (Blocks > 1) {
    if (tap.blocks < Blocks) return addBlocks<Blocks - 1>(tap);
  }
  for (int first = 0; first < tap.channels; first += kChannels) addChannels<Blocks>(tap, first);
}

void addTap(const TapSum& tap) { addBlocks<kBlocks>(tap); }

}  // namespace

extern const BlockedGradKernels kBlockedGradKernels;
const BlockedGradKernels kBlockedGradKernels = {kLanes, kChannels, kBlocks, addTap};

}  // namespace neuronode::NN_ISA
