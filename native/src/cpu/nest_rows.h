// Walks through a nest of loops row by row. Included by *.simd.cc files only.
//
// Policy: as parallel.h's.
#pragma once

#include "cpu/parallel.h"
#include "nest.h"

namespace neuronode::NN_ISA {

/// Where each tensor of a nest is at the beginning of a row, row after row.
template <int kTensors>
class RowWalk {
 public:
  /// From row number `row` on. The last axis is the row.
  RowWalk(const Nest<kTensors>& nest, int64_t row) : nest_(nest) {
    for (int axis = nest.axes - 2; axis >= 0; --axis) {
      index_[axis] = row % nest.size[axis];
      row /= nest.size[axis];
      for (int t = 0; t < kTensors; ++t) at[t] += index_[axis] * nest.stride[t][axis];
    }
  }

  void next() {
    for (int axis = nest_.axes - 2; axis >= 0; --axis) {
      for (int t = 0; t < kTensors; ++t) at[t] += nest_.stride[t][axis];
      if (++index_[axis] < nest_.size[axis]) return;
      index_[axis] = 0;
      for (int t = 0; t < kTensors; ++t) at[t] -= nest_.size[axis] * nest_.stride[t][axis];
    }
  }

  int64_t at[kTensors] = {};

 private:
  const Nest<kTensors>& nest_;
  int64_t index_[Nest<kTensors>::kMostAxes] = {};
};

/// Calls fn(places, begin, end) for pieces [begin, end) of rows that cover the nest; `places` are
/// where the row begins in each tensor.
template <int kTensors, class Fn>
inline void parallelRows(const Nest<kTensors>& nest, Fn fn) {
  const int64_t count = nest.count(), columns = nest.size[nest.axes - 1];
  if (count == 0) return;
  const int64_t rows = count / columns;
  const int64_t rowsAtOnce = std::max<int64_t>(1, kPieceFloats / columns);
  const int64_t pieces = (columns + kPieceFloats - 1) / kPieceFloats;
  const int64_t groups = (rows + rowsAtOnce - 1) / rowsAtOnce;
  parallelItems(groups * pieces, std::min(count, kPieceFloats), [&, fn](int64_t item) {
    const int64_t first = item / pieces * rowsAtOnce, last = std::min(rows, first + rowsAtOnce);
    const int64_t begin = item % pieces * kPieceFloats;
    const int64_t end = std::min(columns, begin + kPieceFloats);
    RowWalk<kTensors> walk(nest, first);
    for (int64_t row = first; row < last; ++row, walk.next()) fn(walk.at, begin, end);
  });
}

}  // namespace neuronode::NN_ISA
