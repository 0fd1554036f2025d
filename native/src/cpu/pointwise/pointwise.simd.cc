// Loops over elements; see cpu/pointwise/pointwise.h.
#include "cpu/pointwise/pointwise.h"

#include "cpu/nest_rows.h"

namespace neuronode::NN_ISA {
namespace {

template <class Formula>
void activate(const float* x, float* y, int64_t n, float parameter) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
    const Formula formula = math::activation<Formula>(parameter);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = formula.value(x[i]);
  });
}

template <class Formula>
void activationGradient(const float* gy, const float* from, float* gx, int64_t n, float parameter) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
    const Formula formula = math::activation<Formula>(parameter);
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) gx[i] = formula.gradient(gy[i], from[i]);
  });
}

template <class Formula>
void combine(const float* a, const float* b, float* y, int64_t n) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
    const Formula formula{};
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = formula.value(a[i], b[i]);
  });
}

void addRectified(const float* a, const float* b, float* y, int64_t n, math::Rectifier rectifier) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = rectifier.value(a[i] + b[i]);
  });
}

void addMasked(const float* a, const float* b, const float* from, float* gx, int64_t n,
               math::Rectifier rectifier) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) gx[i] = rectifier.gradient(a[i] + b[i], from[i]);
  });
}

template <class Formula>
void combineNest(const float* a, const float* b, float* y, const Nest<3>& nest) {
  const bool movesA = nest.stride[1][nest.axes - 1] != 0;
  const bool movesB = nest.stride[2][nest.axes - 1] != 0;
  parallelRows(nest, [=](const int64_t(&at)[3], int64_t begin, int64_t end) {
    const Formula formula{};
    float* target = y + at[0];
    const float *left = a + at[1], *right = b + at[2];
    if (movesA && movesB) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) target[i] = formula.value(left[i], right[i]);
    } else if (movesA) {
      const float second = *right;
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) target[i] = formula.value(left[i], second);
    } else if (movesB) {
      const float first = *left;
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) target[i] = formula.value(first, right[i]);
    } else {
      std::fill(target + begin, target + end, formula.value(*left, *right));
    }
  });
}

}  // namespace

#define NN_ACTIVATION_ROW(Formula, ...) activate<math::Formula>, activationGradient<math::Formula>,
#define NN_ARITHMETIC_ROW(Formula, name) combine<math::Formula>, combineNest<math::Formula>,
extern const PointwiseKernels pointwiseTable;
const PointwiseKernels pointwiseTable = {
    NN_ACTIVATIONS(NN_ACTIVATION_ROW) NN_ARITHMETIC(NN_ARITHMETIC_ROW) addRectified, addMasked};

}  // namespace neuronode::NN_ISA
