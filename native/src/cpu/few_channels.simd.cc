#include "cpu/few_channels.h"

#include "cpu/gemm_micro.h"

namespace neuronode::NN_ISA {

namespace {

// Taps [0, Taps) of a row times Blocks blocks of outputs, summed over all positions in registers.
template <int Taps, int Blocks>
NN_INLINE void accumulateTaps(const FewChannelsRow& row, int64_t firstTap) {
  Vec sum[Taps][Blocks] = {};
  const float* xRow = row.x + firstTap * row.dilationW;
  const float* gy = row.gy;
  for (int64_t oh = 0; oh < row.outH; ++oh, xRow += row.rowStep) {
    const float* x = xRow;
    for (int64_t ow = 0; ow < row.outW; ++ow, x += row.strideW, gy += kLanes) {
      Vec right[Blocks];
#pragma GCC unroll 2
      for (int b = 0; b < Blocks; ++b) right[b] = load(gy + b * row.blockStride);
#pragma GCC unroll 12
      for (int t = 0; t < Taps; ++t) {
        const Vec left = splat(x[t * row.dilationW]);
#pragma GCC unroll 2
        for (int b = 0; b < Blocks; ++b) sum[t][b] = multiplyAdd(left, right[b], sum[t][b]);
      }
    }
  }
  float* to = row.sums + firstTap * 2 * kLanes;
#pragma GCC unroll 12
  for (int t = 0; t < Taps; ++t) {
#pragma GCC unroll 2
    for (int b = 0; b < Blocks; ++b) {
      float* at = to + (t * 2 + b) * kLanes;
      store(at, load(at) + sum[t][b]);
    }
  }
}

// As many taps at a time as the registers hold, then the rest.
template <int Taps, int Blocks>
void accumulateFrom(const FewChannelsRow& row, int64_t firstTap) {
  while (row.kernelW - firstTap >= Taps) {
    accumulateTaps<Taps, Blocks>(row, firstTap);
    firstTap += Taps;
  }
  if constexpr (Taps > 1) {
    if (firstTap < row.kernelW) accumulateFrom<Taps - 1, Blocks>(row, firstTap);
  }
}

void accumulateRow(const FewChannelsRow& row) {
  if (row.blocks == 2) {
    accumulateFrom<kRows, 2>(row, 0);
  } else {
    accumulateFrom<kRows, 1>(row, 0);
  }
}

}  // namespace

extern const FewChannelsKernels kFewChannelsKernels = {kLanes, accumulateRow};

}  // namespace neuronode::NN_ISA
