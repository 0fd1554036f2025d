// Resampling; see cpu/resampling/resampling.h.
#include "cpu/resampling/resampling.h"

#include <algorithm>

#include "cpu/parallel.h"

namespace neuronode::NN_ISA {
namespace {

/// Rows of the result that are one piece of work.
constexpr int64_t kRows = 16;

/// The weighted sum of row `place`'s cells: in `scratch`, or the one cell itself.
const float* sumRows(const AxisTaps& h, int64_t place, const float* plane, int64_t floats,
                     float* scratch) {
  const int32_t begin = h.begin[place], end = h.begin[place + 1];
  const int32_t* index = h.index.data();
  const float* weight = h.weight.data();
  if (end - begin == 1 && weight[begin] == 1.0f) return plane + index[begin] * floats;
  if (begin == end) {
    std::fill(scratch, scratch + floats, 0.0f);
    return scratch;
  }
  const float *first = plane + index[begin] * floats, factor = weight[begin];
#pragma omp simd
  for (int64_t i = 0; i < floats; ++i) scratch[i] = factor * first[i];
  for (int32_t tap = begin + 1; tap < end; ++tap) {
    const float *row = plane + index[tap] * floats, share = weight[tap];
#pragma omp simd
    for (int64_t i = 0; i < floats; ++i) scratch[i] += share * row[i];
  }
  return scratch;
}

/// kEach: taps of every place, or 0 where they differ.
template <int V, int kEach>
void sumPixels(const AxisTaps& w, const float* row, float* y) {
  using L = Lanes<V>;
  const int32_t *begin = w.begin.data(), *index = w.index.data();
  const float* weight = w.weight.data();
  const int64_t out = w.out;
  if constexpr (V == 1 && kEach == 1) {
#pragma omp simd
    for (int64_t i = 0; i < out; ++i) y[i] = weight[i] * row[index[i]];
  } else if constexpr (V == 1 && kEach == 2) {
#pragma omp simd
    for (int64_t i = 0; i < out; ++i) {
      y[i] = weight[2 * i] * row[index[2 * i]] + weight[2 * i + 1] * row[index[2 * i + 1]];
    }
  } else {
    for (int64_t i = 0; i < out; ++i) {
      typename L::F sum{};
      const int64_t end = kEach > 0 ? (i + 1) * kEach : begin[i + 1];
      for (int64_t tap = kEach > 0 ? i * kEach : begin[i]; tap < end; ++tap) {
        sum += weight[tap] * L::load(row + int64_t{index[tap]} * V);
      }
      L::store(y + i * V, sum);
    }
  }
}

void resample(const Resampling& shape, const float* x, float* y, float* scratch) {
  const AxisTaps &h = shape.h, &w = shape.w;
  const int64_t each = w.each(), rowFloats = resamplingRow(shape);
  const int64_t perPlane = (h.out + kRows - 1) / kRows, count = shape.planes * perPlane;
  const int64_t workers = std::min(shape.workers, count);
  withBlock(shape.block, [&](auto block) {
    constexpr int V = block;
    const int64_t in = w.in * V, out = w.out * V;
    const int64_t floats = shape.planes * (h.out * out + h.in * in);
    parallelItems(workers, floats / std::max<int64_t>(1, workers), [&](int64_t worker) {
      for (int64_t item = worker; item < count; item += workers) {
        const int64_t plane = item / perPlane, first = item % perPlane * kRows;
        const float* from = x + plane * h.in * in;
        for (int64_t place = first; place < std::min(h.out, first + kRows); ++place) {
          const float* row = sumRows(h, place, from, in, scratch + worker * rowFloats);
          float* to = y + (plane * h.out + place) * out;
          if (each == 1) {
            sumPixels<V, 1>(w, row, to);
          } else if (each == 2) {
            sumPixels<V, 2>(w, row, to);
          } else {
            sumPixels<V, 0>(w, row, to);
          }
        }
      }
    });
  });
}

}  // namespace

extern const ResamplingKernels resamplingTable;
const ResamplingKernels resamplingTable = {resample};

}  // namespace neuronode::NN_ISA
