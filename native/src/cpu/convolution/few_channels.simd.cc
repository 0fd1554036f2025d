#include "cpu/convolution/few_channels.h"

#include <algorithm>

#include "cpu/gemm_micro.h"

namespace neuronode::NN_ISA {

namespace {

// Output rows that are summed in registers before they are added to the sums in memory: a sum of
// sums loses less to rounding than one long sum.
constexpr int64_t kRowsAtOnce = 8;

// Taps [firstTap, firstTap + Taps) of a row times Blocks blocks of outputs, over output rows
// [firstRow, endRow).
template <int Taps, int Blocks>
NN_INLINE void accumulateRows(const FewChannelsRow& row, int64_t firstTap, int64_t firstRow,
                              int64_t endRow) {
  Vec sum[Taps][Blocks] = {};
  const float* xRow = row.x + firstTap * row.dilationW + firstRow * row.rowStep;
  const float* gy = row.gy + firstRow * row.outW * kLanes;
  for (int64_t oh = firstRow; oh < endRow; ++oh, xRow += row.rowStep) {
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

template <int Taps, int Blocks>
void accumulateTaps(const FewChannelsRow& row, int64_t firstTap) {
  for (int64_t first = 0; first < row.outH; first += kRowsAtOnce) {
    accumulateRows<Taps, Blocks>(row, firstTap, first, std::min(first + kRowsAtOnce, row.outH));
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
