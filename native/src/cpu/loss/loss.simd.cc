// The losses over classes; see cpu/loss/loss.h.
#include "cpu/loss/loss.h"

#include <algorithm>
#include <cmath>

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

/// -log softmax[label] times `weight`, with the gradient times `scale`.
RowResult labelRow(const float* x, int64_t label, int64_t c, float weight, float scale,
                   float* grad) {
  const int64_t best = argmax(x, c);
  const float rowMax = x[best];
  const float labelLogit = x[label];
  const bool correct = math::answerOf(best, rowMax) == label;
  if (grad == nullptr) {
    const double sum = exponentialSum(x, rowMax, c);
    return {weight * math::crossEntropyRow(labelLogit, rowMax, sum), correct};
  }
  const double sum = exponentials(x, rowMax, grad, c);
  const float inverseSum = static_cast<float>(1.0 / sum);
  const float factor = weight * scale;
  const float labelGrad = math::crossEntropyGrad(grad[label], inverseSum, true, factor);
#pragma omp simd
  for (int64_t k = 0; k < c; ++k) {
    grad[k] = math::crossEntropyGrad(grad[k], inverseSum, false, factor);
  }
  grad[label] = labelGrad;
  return {weight * math::crossEntropyRow(labelLogit, rowMax, sum), correct};
}

/// The same where every class may have a part of the target.
RowResult spreadRow(const ClassLossArgs& args, int64_t row, int64_t label, float scale) {
  const int64_t c = args.c;
  const float* x = args.logits + row * c;
  const float* targets = args.targets == nullptr ? nullptr : args.targets + row * c;
  const float* weights = args.weights;
  float* grad = args.grad == nullptr ? nullptr : args.grad + row * c;
  const double kept = 1.0 - args.labelSmoothing;
  const double all = args.labelSmoothing / static_cast<double>(c);
  const auto part = [=](int64_t k) {
    const double target = targets == nullptr ? (k == label ? 1.0 : 0.0) : targets[k];
    return (weights == nullptr ? 1.0 : weights[k]) * (kept * target + all);
  };
  const int64_t best = argmax(x, c);
  const float rowMax = x[best];
  double parts = 0.0, moment = 0.0;
#pragma omp simd reduction(+ : parts, moment)
  for (int64_t k = 0; k < c; ++k) {
    parts += part(k);
    moment += part(k) * (static_cast<double>(x[k]) - rowMax);
  }
  const bool correct = math::answerOf(best, rowMax) == label;
  if (grad == nullptr) return {std::log(exponentialSum(x, rowMax, c)) * parts - moment, correct};
  const double sum = exponentials(x, rowMax, grad, c);
  const double share = parts / sum;
#pragma omp simd
  for (int64_t k = 0; k < c; ++k) {
    grad[k] = math::spreadGrad(grad[k], share, part(k), scale);
  }
  return {std::log(sum) * parts - moment, correct};
}

RowResult classLossRow(const ClassLossArgs& args, int64_t row, float scale) {
  const int64_t c = args.c;
  const float* x = args.logits + row * c;
  float* grad = args.grad == nullptr ? nullptr : args.grad + row * c;
  if (args.targets != nullptr) {
    return spreadRow(args, row, argmax(args.targets + row * c, c), scale);
  }
  const int64_t label = args.labels[row];
  if (label == args.ignoreIndex) {
    if (grad != nullptr) std::fill(grad, grad + c, 0.0f);
    return {0.0, false};
  }
  if (args.labelSmoothing > 0.0) return spreadRow(args, row, label, scale);
  const float weight = args.weights == nullptr ? 1.0f : args.weights[label];
  if (!args.areLogs) return labelRow(x, label, c, weight, scale, grad);
  const int64_t best = argmax(x, c);
  const RowResult result{-static_cast<double>(weight) * x[label],
                         math::answerOf(best, x[best]) == label};
  if (grad != nullptr) {
    std::fill(grad, grad + c, 0.0f);
    grad[label] = -weight * scale;
  }
  return result;
}

/// What the rows that count weigh.
double rowWeights(const ClassLossArgs& args) {
  if (args.targets != nullptr) return static_cast<double>(args.validRows);
  double sum = 0.0;
  for (int64_t row = 0; row < args.validRows; ++row) {
    const int32_t label = args.labels[row];
    if (label != args.ignoreIndex) sum += args.weights == nullptr ? 1.0 : args.weights[label];
  }
  return sum;
}

int64_t classLoss(const ClassLossArgs& args) {
  const int64_t c = args.c;
  for (int64_t row = 0; row < args.validRows && args.targets == nullptr; ++row) {
    const int32_t label = args.labels[row];
    if ((label < 0 || label >= c) && label != args.ignoreIndex) return row;
  }
  const double divisor = args.reduction == Reduction::Mean ? rowWeights(args) : 1.0;
  const float scale = math::meanScale(divisor);
  // Rows in batches, so that their results fit on the stack until they are added in row order.
  constexpr int64_t kRows = 256;
  RowResult results[kRows];
  double loss = 0.0;
  int32_t correct = 0;
  for (int64_t first = 0; first < args.validRows; first += kRows) {
    const int64_t rows = std::min(kRows, args.validRows - first);
    RowResult* out = results;
    parallelItems(rows, c * 8, [=, &args](int64_t i) {  // an exponential costs as much as 8 loads
      out[i] = classLossRow(args, first + i, scale);
    });
    for (int64_t i = 0; i < rows; ++i) {
      loss += results[i].loss;
      correct += results[i].correct ? 1 : 0;
      if (args.reduction == Reduction::None) {
        args.loss[first + i] = static_cast<float>(results[i].loss);
      }
    }
  }
  if (args.grad != nullptr) {
    std::fill(args.grad + args.validRows * c, args.grad + args.n * c, 0.0f);
  }
  if (args.reduction == Reduction::None) {
    std::fill(args.loss + args.validRows, args.loss + args.n, 0.0f);
  } else {
    *args.loss = static_cast<float>(loss / divisor);  // 0 / 0 is NaN, as PyTorch has it
  }
  *args.correct = correct;
  return -1;
}

}  // namespace

extern const LossKernels lossTable;
const LossKernels lossTable = {classLoss};

}  // namespace neuronode::NN_ISA
