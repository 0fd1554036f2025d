// Channel sums and padding; see cpu/channels.h.
#include "cpu/channels.h"

#include <algorithm>

#include "cpu/parallel.h"

namespace neuronode::NN_ISA {
namespace {

void addRow(float* y, const float* row, int64_t rows, int64_t columns) {
  parallelItems(rows, columns, [=](int64_t r) {
    float* at = y + r * columns;
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) at[i] += row[i];
  });
}

void zeroPaddingLanes(float* x, const PlaneShape& shape) {
  const int64_t block = shape.block;
  const int64_t used = shape.c % block;
  if (used == 0) return;
  const int64_t groups = shape.groups();
  const int64_t hw = shape.hw;
  parallelItems(shape.n, hw * block, [=](int64_t n) {
    float* plane = x + (n * groups + groups - 1) * hw * block;
    for (int64_t i = 0; i < hw; ++i) {
      for (int64_t lane = used; lane < block; ++lane) plane[i * block + lane] = 0.0f;
    }
  });
}

/// Pixels or rows that are added in f32 before their sum goes into an f64.
constexpr int64_t kShortRun = 32;

/// sums[0..V) += the V columns of x: [rows, V], rows `stride` floats apart.
template <int V>
void addColumns(const float* x, int64_t rows, int64_t stride, double* sums) {
  using Lane = Lanes<V>;
  typename Lane::D total;
  std::memcpy(&total, sums, sizeof total);
  for (int64_t begin = 0; begin < rows; begin += kShortRun) {
    const int64_t end = std::min(rows, begin + kShortRun);
    typename Lane::F even{}, odd{};
    int64_t r = begin;
    for (; r + 1 < end; r += 2) {
      even += Lane::load(x + r * stride);
      odd += Lane::load(x + (r + 1) * stride);
    }
    if (r < end) even += Lane::load(x + r * stride);
    even += odd;
    typename Lane::D wide;
    convertLanes(even, wide);
    total += wide;
  }
  std::memcpy(sums, &total, sizeof total);
}

/// Sum of n consecutive floats.
double sumRun(const float* x, int64_t n) {
  double sums[16] = {};
  const int64_t rows = n / 16;
  addColumns<16>(x, rows, 16, sums);
  double total = 0.0;
  for (double s : sums) total += s;
  for (int64_t i = rows * 16; i < n; ++i) total += x[i];
  return total;
}

void channelSum(const float* x, float* sums, const PlaneShape& shape) {
  const int64_t n = shape.n, c = shape.c, hw = shape.hw;
  if (shape.block == 1 && hw == 1) {  // x: [n, c]
    parallelItems((c + 15) / 16, n * 16, [=](int64_t columns) {
      const int64_t first = columns * 16;
      const int64_t width = std::min<int64_t>(16, c - first);
      double totals[16] = {};
      if (width == 16) {
        addColumns<16>(x + first, n, c, totals);
      } else {
        for (int64_t k = 0; k < width; ++k) addColumns<1>(x + first + k, n, c, totals + k);
      }
      for (int64_t k = 0; k < width; ++k) sums[first + k] = static_cast<float>(totals[k]);
    });
    return;
  }
  if (shape.block == 1) {  // x: [n, c, hw]
    parallelItems(c, n * hw, [=](int64_t channel) {
      double total = 0.0;
      for (int64_t i = 0; i < n; ++i) total += sumRun(x + (i * c + channel) * hw, hw);
      sums[channel] = static_cast<float>(total);
    });
    return;
  }
  const int64_t groups = shape.groups();
  withBlock(shape.block, [=](auto block) {  // x: [n, groups, hw, V]
    constexpr int V = block;
    parallelItems(groups, n * hw * V, [=](int64_t group) {
      double totals[V] = {};
      for (int64_t i = 0; i < n; ++i) {
        addColumns<V>(x + (i * groups + group) * hw * V, hw, V, totals);
      }
      const int64_t first = group * V;
      const int64_t width = std::min<int64_t>(V, c - first);
      for (int64_t k = 0; k < width; ++k) sums[first + k] = static_cast<float>(totals[k]);
    });
  });
}

}  // namespace

extern const ChannelKernels channelTable;
const ChannelKernels channelTable = {addRow, zeroPaddingLanes, channelSum};

}  // namespace neuronode::NN_ISA
