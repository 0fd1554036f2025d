// Which cells the windows of pooling hold, and which windows hold a cell, along one axis.
#pragma once

#include "launch.h"
#include "pooling/pooling.h"

namespace neuronode::cuda {

// One axis of a pool: `in` cells, `out` windows.
struct PoolAxis {
  int in, out;
  int kernel, stride, pad, dilation;
};

inline PoolAxis rowsOf(const PoolShape& s) {
  return {static_cast<int>(s.h),       static_cast<int>(s.oh),   static_cast<int>(s.kernelH),
          static_cast<int>(s.strideH), static_cast<int>(s.padH), static_cast<int>(s.dilationH)};
}

inline PoolAxis columnsOf(const PoolShape& s) {
  return {static_cast<int>(s.w),       static_cast<int>(s.ow),   static_cast<int>(s.kernelW),
          static_cast<int>(s.strideW), static_cast<int>(s.padW), static_cast<int>(s.dilationW)};
}

// [begin, end)
struct Range {
  int begin, end;
};

NN_DEVICE int ceilDivide(int a, int b) { return (a + b - 1) / b; }

// The places k of window `o` whose cells o * stride - pad + k * dilation lie inside.
NN_DEVICE Range insidePlaces(const PoolAxis& a, int o) {
  const int first = o * a.stride - a.pad;
  const int begin = first >= 0 ? 0 : ceilDivide(-first, a.dilation);
  const int inside = first >= a.in ? 0 : ceilDivide(a.in - first, a.dilation);
  const int end = inside < a.kernel ? inside : a.kernel;
  return {begin, end > begin ? end : begin};
}

// The windows that reach over `cell`; with dilation only those hold it for which placeIn is not -1.
NN_DEVICE Range windowsOver(const PoolAxis& a, int cell) {
  const int last = cell + a.pad;
  const int before = last - (a.kernel - 1) * a.dilation;
  const int end = last / a.stride + 1;
  return {before > 0 ? ceilDivide(before, a.stride) : 0, end < a.out ? end : a.out};
}

NN_DEVICE int placeIn(const PoolAxis& a, int window, int cell) {
  const int distance = cell + a.pad - window * a.stride;
  if (a.dilation == 1) return distance;
  return distance % a.dilation == 0 ? distance / a.dilation : -1;
}

// Place of one pack of channels in [n, rows, columns, packs].
struct Place {
  int64_t n;
  int row, column, pack;
};

template <class Index>
NN_DEVICE Place placeAs(Index i, int rows, int columns, int packs) {
  const Index pixel = i / static_cast<Index>(packs), pack = i - pixel * static_cast<Index>(packs);
  const Index line = pixel / static_cast<Index>(columns);
  const Index column = pixel - line * static_cast<Index>(columns);
  const Index n = line / static_cast<Index>(rows), row = line - n * static_cast<Index>(rows);
  return {static_cast<int64_t>(n), static_cast<int>(row), static_cast<int>(column),
          static_cast<int>(pack)};
}

NN_DEVICE Place placeOf(int64_t i, int rows, int columns, int packs) {
  if (i <= INT32_MAX) return placeAs<uint32_t>(static_cast<uint32_t>(i), rows, columns, packs);
  return placeAs<uint64_t>(static_cast<uint64_t>(i), rows, columns, packs);
}

}  // namespace neuronode::cuda
