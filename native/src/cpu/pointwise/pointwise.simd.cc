// Loops over elements; see cpu/pointwise/pointwise.h.
#include "cpu/pointwise/pointwise.h"

#include "cpu/parallel.h"
#include "math/activation.h"

namespace neuronode::NN_ISA {
namespace {

void relu(const float* x, float* y, int64_t n) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = math::relu(x[i]);
  });
}

void reluGrad(const float* gy, const float* y, float* gx, int64_t n) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) gx[i] = math::reluGrad(gy[i], y[i]);
  });
}

void sigmoid(const float* x, float* y, int64_t n) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = math::sigmoid(x[i]);
  });
}

void sigmoidGrad(const float* gy, const float* y, float* gx, int64_t n) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) gx[i] = math::sigmoidGrad(gy[i], y[i]);
  });
}

void add(const float* a, const float* b, float* y, int64_t n) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = a[i] + b[i];
  });
}

}  // namespace

extern const PointwiseKernels pointwiseTable;
const PointwiseKernels pointwiseTable = {relu, reluGrad, sigmoid, sigmoidGrad, add};

}  // namespace neuronode::NN_ISA
