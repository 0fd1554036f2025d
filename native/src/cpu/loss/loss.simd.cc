// Softmax and cross-entropy over rows; see cpu/loss/loss.h.
#include "cpu/loss/loss.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/parallel.h"
#include "math/softmax.h"

namespace neuronode::NN_ISA {
namespace {

/// Position of the largest of c values, as PyTorch's argmax chooses it.
int64_t argmax(const float* x, int64_t c) {
  int64_t best = 0;
  for (int64_t k = 1; k < c; ++k) {
    if (math::isNewMaximum(x[k], x[best])) best = k;
  }
  return best;
}

/// terms[k] = e^(x[k] - rowMax); returns their sum. terms may be x.
double exponentials(const float* x, float rowMax, float* terms, int64_t c) {
#pragma omp simd
  for (int64_t k = 0; k < c; ++k) terms[k] = math::softmaxTerm(x[k], rowMax);
  double sum = 0.0;
  for (int64_t k = 0; k < c; ++k) sum += terms[k];
  return sum;
}

/// The same sum where nobody wants the terms.
double exponentialSum(const float* x, float rowMax, int64_t c) {
  constexpr int64_t kChunk = 256;
  float terms[kChunk];
  double sum = 0.0;
  for (int64_t k = 0; k < c; k += kChunk) {
    sum += exponentials(x + k, rowMax, terms, std::min(kChunk, c - k));
  }
  return sum;
}

struct RowResult {
  double loss;
  bool correct;
};

RowResult crossEntropyRow(const float* x, int64_t label, int64_t c, float weight, float* grad) {
  const int64_t best = argmax(x, c);
  const float rowMax = x[best];
  const float labelLogit = x[label];
  if (grad == nullptr) {
    const double sum = exponentialSum(x, rowMax, c);
    return {math::crossEntropyRow(labelLogit, rowMax, sum), math::answerOf(best, rowMax) == label};
  }
  const double sum = exponentials(x, rowMax, grad, c);
  const float inverseSum = static_cast<float>(1.0 / sum);
  const float labelGrad = math::crossEntropyGrad(grad[label], inverseSum, true, weight);
#pragma omp simd
  for (int64_t k = 0; k < c; ++k) {
    grad[k] = math::crossEntropyGrad(grad[k], inverseSum, false, weight);
  }
  grad[label] = labelGrad;
  return {math::crossEntropyRow(labelLogit, rowMax, sum), math::answerOf(best, rowMax) == label};
}

int64_t softmaxCrossEntropy(const CrossEntropyArgs& args) {
  const int64_t c = args.c;
  for (int64_t row = 0; row < args.validRows; ++row) {
    if (args.labels[row] < 0 || args.labels[row] >= c) return row;
  }
  const float weight = args.reduction == Reduction::Mean && args.validRows > 0
                           ? static_cast<float>(1.0 / static_cast<double>(args.validRows))
                           : 1.0f;
  // Rows in batches, so that their results fit on the stack until they are added in row order.
  constexpr int64_t kRows = 256;
  RowResult results[kRows];
  double loss = 0.0;
  int32_t correct = 0;
  for (int64_t first = 0; first < args.validRows; first += kRows) {
    const int64_t rows = std::min(kRows, args.validRows - first);
    RowResult* out = results;
    parallelItems(rows, c * 8, [=](int64_t i) {  // an exponential costs as much as 8 loads
      const int64_t row = first + i;
      float* grad = args.grad == nullptr ? nullptr : args.grad + row * c;
      out[i] = crossEntropyRow(args.logits + row * c, args.labels[row], c, weight, grad);
    });
    for (int64_t i = 0; i < rows; ++i) {
      loss += results[i].loss;
      correct += results[i].correct ? 1 : 0;
    }
  }
  if (args.grad != nullptr) {
    for (int64_t i = args.validRows * c; i < args.n * c; ++i) args.grad[i] = 0.0f;
  }
  if (args.reduction == Reduction::Mean) {
    loss = args.validRows > 0 ? loss / static_cast<double>(args.validRows)
                              : std::numeric_limits<double>::quiet_NaN();
  }
  *args.loss = static_cast<float>(loss);
  *args.correct = correct;
  return -1;
}

void softmax(const float* x, float* y, int64_t n, int64_t c) {
  parallelItems(n, c * 8, [=](int64_t row) {
    const float* from = x + row * c;
    float* to = y + row * c;
    const double sum = exponentials(from, from[argmax(from, c)], to, c);
    const float inverseSum = static_cast<float>(1.0 / sum);
#pragma omp simd
    for (int64_t k = 0; k < c; ++k) to[k] *= inverseSum;
  });
}

}  // namespace

extern const LossKernels lossTable;
const LossKernels lossTable = {softmaxCrossEntropy, softmax};

}  // namespace neuronode::NN_ISA
