// Softmax along an axis; see cpu/softmax/softmax.h.
//
// A row whose elements lie side by side, or in blocks, is worked out by lanes that are joined at
// its end; of rows that lie side by side each lane is one.
#include "cpu/softmax/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/parallel.h"
#include "math/softmax.h"

namespace neuronode::NN_ISA {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// An exponential costs as much as 8 loads.
constexpr int64_t kCost = 8;
/// Lanes of a row whose elements lie side by side.
constexpr int kLanes = 16;
/// Rows side by side that are worked out together: whole cache lines.
constexpr int64_t kColumns = 64;

/// One row: `groups` times V elements, of which the last has `last`, `step` floats from one to the
/// next.
template <int V>
struct Row {
  int64_t groups, last, step;
  bool isPadded;  // whether what is missing in the last group is memory to be cleared

  /// Calls fn(offset, lanes) for each group; lanes is a constant for whole ones.
  template <class Fn>
  [[gnu::always_inline]] void each(Fn fn) const {
    for (int64_t group = 0; group + 1 < groups; ++group) {
      fn(group * step, std::integral_constant<int, V>{});
    }
    fn((groups - 1) * step, static_cast<int>(last));
  }

  [[gnu::always_inline]] void clearPadding(float* row) const {
    if (!isPadded) return;
    for (int64_t lane = last; lane < V; ++lane) row[(groups - 1) * step + lane] = 0.0f;
  }
};

template <int V>
[[gnu::always_inline]] inline double joined(const double (&sums)[V]) {
  double sum = 0.0;
  for (int lane = 0; lane < V; ++lane) sum += sums[lane];
  return sum;
}

template <bool kLog, int V>
void forwardRow(const Row<V>& row, const float* x, float* y) {
  float best[V];
  for (float& each : best) each = -kInfinity;
  row.each([&, x](int64_t at, auto lanes) {
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      const float value = x[at + lane];
      best[lane] = value > best[lane] ? value : best[lane];
    }
  });
  // A NaN is no maximum, and makes the sum NaN.
  const float rowMax = *std::max_element(best, best + V);
  double sums[V] = {};
  row.each([&, x, y](int64_t at, auto lanes) {
    float terms[V];
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      terms[lane] = math::softmaxTerm(x[at + lane], rowMax);
      sums[lane] += terms[lane];
    }
    if constexpr (!kLog) {
#pragma omp simd
      for (int lane = 0; lane < lanes; ++lane) y[at + lane] = terms[lane];
    }
  });
  const double sum = joined(sums);
  const float factor = static_cast<float>(kLog ? std::log(sum) : 1.0 / sum);
  row.each([=](int64_t at, auto lanes) {
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      y[at + lane] = kLog ? (x[at + lane] - rowMax) - factor : y[at + lane] * factor;
    }
  });
  row.clearPadding(y);
}

template <bool kLog, int V>
void backwardRow(const Row<V>& row, const float* gy, const float* y, float* gx) {
  double sums[V] = {};
  row.each([&, gy, y](int64_t at, auto lanes) {
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      sums[lane] += math::softmaxGradTerm<kLog>(gy[at + lane], y[at + lane]);
    }
  });
  const float sum = static_cast<float>(joined(sums));
  row.each([=](int64_t at, auto lanes) {
#pragma omp simd
    for (int lane = 0; lane < lanes; ++lane) {
      gx[at + lane] = math::softmaxGrad<kLog>(gy[at + lane], y[at + lane], sum);
    }
  });
  row.clearPadding(gx);
}

/// `columns` rows of `size` elements, which lie `step` apart.
template <bool kLog>
void forwardColumns(int64_t size, int64_t step, int64_t columns, const float* x, float* y) {
  float best[kColumns];
  double sums[kColumns] = {};
  float factors[kColumns];
  std::fill(best, best + columns, -kInfinity);
  for (int64_t k = 0; k < size; ++k) {
    const float* from = x + k * step;
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) best[i] = from[i] > best[i] ? from[i] : best[i];
  }
  for (int64_t k = 0; k < size; ++k) {
    const float* from = x + k * step;
    float* to = y + k * step;
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) {
      const float term = math::softmaxTerm(from[i], best[i]);
      sums[i] += term;
      if (!kLog) to[i] = term;
    }
  }
  for (int64_t i = 0; i < columns; ++i) {
    factors[i] = static_cast<float>(kLog ? std::log(sums[i]) : 1.0 / sums[i]);
  }
  for (int64_t k = 0; k < size; ++k) {
    const float* from = x + k * step;
    float* to = y + k * step;
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) {
      to[i] = kLog ? (from[i] - best[i]) - factors[i] : to[i] * factors[i];
    }
  }
}

template <bool kLog>
void backwardColumns(int64_t size, int64_t step, int64_t columns, const float* gy, const float* y,
                     float* gx) {
  double sums[kColumns] = {};
  for (int64_t k = 0; k < size; ++k) {
    const float *upper = gy + k * step, *value = y + k * step;
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) {
      sums[i] += math::softmaxGradTerm<kLog>(upper[i], value[i]);
    }
  }
  for (int64_t k = 0; k < size; ++k) {
    const float *upper = gy + k * step, *value = y + k * step;
    float* to = gx + k * step;
#pragma omp simd
    for (int64_t i = 0; i < columns; ++i) {
      to[i] = math::softmaxGrad<kLog>(upper[i], value[i], static_cast<float>(sums[i]));
    }
  }
}

/// Calls row(Row, offset) for every row whose elements lie side by side or in blocks, or
/// columns(offset, how many) for rows side by side.
template <class OfRow, class OfColumns>
void forRows(const PlaneShape& shape, OfRow row, OfColumns columns) {
  const int64_t hw = shape.hw, groups = shape.groups();
  if (shape.block > 1) {
    withBlock(shape.block, [&](auto block) {
      constexpr int V = block;
      const Row<V> place{groups, shape.c - (groups - 1) * V, hw * V, true};
      const int64_t tiles = (hw + kLanes - 1) / kLanes;
      parallelItems(shape.n * tiles, groups * V * kLanes * kCost, [&](int64_t item) {
        const int64_t image = item / tiles, first = item % tiles * kLanes;
        const int64_t end = std::min(hw, first + kLanes);
        for (int64_t i = first; i < end; ++i) row(place, (image * groups * hw + i) * V);
      });
    });
  } else if (hw == 1) {
    const int64_t whole = (shape.c + kLanes - 1) / kLanes;
    const Row<kLanes> place{whole, shape.c - (whole - 1) * kLanes, kLanes, false};
    parallelItems(shape.n, shape.c * kCost, [&](int64_t i) { row(place, i * shape.c); });
  } else {
    const int64_t tiles = (hw + kColumns - 1) / kColumns;
    parallelItems(shape.n * tiles, shape.c * kColumns * kCost, [&](int64_t item) {
      const int64_t image = item / tiles, first = item % tiles * kColumns;
      columns(image * shape.c * hw + first, std::min(kColumns, hw - first));
    });
  }
}

template <bool kLog>
void forward(const PlaneShape& shape, const float* x, float* y) {
  forRows(
      shape, [=](const auto& row, int64_t at) { forwardRow<kLog>(row, x + at, y + at); },
      [=, &shape](int64_t at, int64_t columns) {
        forwardColumns<kLog>(shape.c, shape.hw, columns, x + at, y + at);
      });
}

template <bool kLog>
void backward(const PlaneShape& shape, const float* gy, const float* y, float* gx) {
  forRows(
      shape, [=](const auto& row, int64_t at) { backwardRow<kLog>(row, gy + at, y + at, gx + at); },
      [=, &shape](int64_t at, int64_t columns) {
        backwardColumns<kLog>(shape.c, shape.hw, columns, gy + at, y + at, gx + at);
      });
}

}  // namespace

extern const SoftmaxKernels softmaxTable;
const SoftmaxKernels softmaxTable = {forward<false>, forward<true>, backward<false>,
                                     backward<true>};

}  // namespace neuronode::NN_ISA
