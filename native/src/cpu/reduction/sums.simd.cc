// Sums over axes; see cpu/reduction/sums.h.
#include "cpu/reduction/sums.h"

#include "cpu/nest_rows.h"

namespace neuronode::NN_ISA {
namespace {

/// Sums that are worked out side by side.
constexpr int kLanes = 16;

double sumRun(const float* x, int64_t n) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma omp simd
    for (int k = 0; k < kLanes; ++k) lanes[k] += x[i + k];
  }
  for (int k = 0; i < n; ++i, ++k) lanes[k] += x[i];
  double total = 0.0;
  for (double lane : lanes) total += lane;
  return total;
}

/// The sum of rounds [begin, end) of the loops over what is reduced.
double sumRows(const float* x, const Nest<1>& reduced, int64_t begin, int64_t end) {
  const int64_t columns = reduced.size[reduced.axes - 1];
  const int64_t stride = reduced.stride[0][reduced.axes - 1];
  double total = 0.0;
  RowWalk<1> walk(reduced, begin / columns);
  for (int64_t at = begin; at < end; walk.next()) {
    const int64_t column = at % columns, length = std::min(columns - column, end - at);
    const float* row = x + walk.at[0] + column * stride;
    if (stride == 1) {
      total += sumRun(row, length);
    } else {
      for (int64_t i = 0; i < length; ++i) total += row[i * stride];
    }
    at += length;
  }
  return total;
}

/// The sums of `width` neighbours in memory over rounds [begin, end).
template <int kWidth>
void sumColumns(const float* x, const Nest<1>& reduced, int64_t begin, int64_t end,
                double* partial) {
  const int64_t columns = reduced.size[reduced.axes - 1];
  const int64_t stride = reduced.stride[0][reduced.axes - 1];
  double sums[kWidth] = {};
  RowWalk<1> walk(reduced, begin / columns);
  for (int64_t at = begin; at < end; walk.next()) {
    const int64_t column = at % columns, length = std::min(columns - column, end - at);
    const float* row = x + walk.at[0] + column * stride;
    for (int64_t i = 0; i < length; ++i) {
#pragma omp simd
      for (int k = 0; k < kWidth; ++k) sums[k] += row[i * stride + k];
    }
    at += length;
  }
  std::memcpy(partial, sums, sizeof sums);
}

void sum(const float* x, float* y, double* partial, const SumNest& nest, double divisor) {
  const Nest<1>&kept = nest.kept, &reduced = nest.reduced;
  const int64_t keptCount = kept.count(), rounds = reduced.count(), slices = sumSlices(nest);
  const auto firstRound = [=](int64_t slice) { return slice * rounds / slices; };
  if (!nest.innerKept) {
    parallelItems(keptCount * slices, rounds / slices, [&, x, partial](int64_t item) {
      const int64_t slice = item / keptCount, k = item - slice * keptCount;
      int64_t at[1];
      kept.place(k, at);
      partial[item] = sumRows(x + at[0], reduced, firstRound(slice), firstRound(slice + 1));
    });
  } else {
    const int64_t columns = kept.size[kept.axes - 1], rows = keptCount / columns;
    const int64_t tiles = (columns + kLanes - 1) / kLanes;
    parallelItems(rows * tiles * slices, rounds / slices * kLanes, [&, x, partial](int64_t item) {
      const int64_t slice = item / (rows * tiles), place = item - slice * (rows * tiles);
      const int64_t row = place / tiles, column = (place - row * tiles) * kLanes;
      const float* source = x + RowWalk<1>(kept, row).at[0] + column;
      double* target = partial + slice * keptCount + row * columns + column;
      const int64_t begin = firstRound(slice), end = firstRound(slice + 1);
      if (column + kLanes <= columns) {
        sumColumns<kLanes>(source, reduced, begin, end, target);
      } else {
        for (int64_t k = 0; column + k < columns; ++k) {
          sumColumns<1>(source + k, reduced, begin, end, target + k);
        }
      }
    });
  }
  parallelPieces(keptCount, [=](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      double total = partial[k];
      for (int64_t slice = 1; slice < slices; ++slice) total += partial[slice * keptCount + k];
      y[k] = static_cast<float>(total / divisor);
    }
  });
}

}  // namespace

extern const SumKernels sumTable;
const SumKernels sumTable = {sum};

}  // namespace neuronode::NN_ISA
