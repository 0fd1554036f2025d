// Element-wise losses; see cpu/loss/element_loss.h.
#include "cpu/loss/element_loss.h"

#include <limits>

#include "cpu/parallel.h"

namespace neuronode::NN_ISA {
namespace {

// Elements whose weights are laid out on the stack at a time.
constexpr int64_t kBlock = 256;

/// out[i] = the weight of element begin + i of a row of `rowElements`, the next row behind it.
void spread(const RepeatedWeights& weights, int64_t begin, int64_t count, int64_t rowElements,
            float* out) {
  int64_t element = begin % rowElements;
  int64_t place = element / weights.inner % weights.length, step = element % weights.inner;
  for (int64_t i = 0; i < count; ++i) {
    out[i] = weights.at[place];
    if (++element == rowElements) {
      element = place = step = 0;
    } else if (++step == weights.inner) {
      step = 0;
      if (++place == weights.length) place = 0;
    }
  }
}

/// The losses of elements [begin, begin + count), at most kBlock, and their gradients; returns the
/// losses' sum.
template <class Formula>
double lossBlock(const ElementLossArgs& args, int64_t begin, int64_t count, float scale) {
  float parameters[kBlock], weights[kBlock], losses[kBlock];
  const bool hasParameters = args.parameters.at != nullptr, hasWeights = args.weights.at != nullptr;
  if (hasParameters) spread(args.parameters, begin, count, args.rowElements, parameters);
  if (hasWeights) spread(args.weights, begin, count, args.rowElements, weights);
  const float* x = args.x + begin;
  const float* target = args.target + begin;
  const float fixed = args.parameter;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    losses[i] = Formula::value(x[i], target[i], hasParameters ? parameters[i] : fixed);
  }
  if (hasWeights) {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) losses[i] *= weights[i];
  }
  double sum = 0.0;
  if (args.reduction == Reduction::None) {
    std::memcpy(args.loss + begin, losses, static_cast<size_t>(count) * sizeof(float));
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(losses[i]);
  }
  if (args.grad != nullptr) {
    float* grad = args.grad + begin;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const float g = Formula::gradient(x[i], target[i], hasParameters ? parameters[i] : fixed);
      grad[i] = (hasWeights ? g * weights[i] : g) * scale;
    }
  }
  return sum;
}

template <class Formula>
void elementLoss(const ElementLossArgs& args) {
  const int64_t valid = args.validRows * args.rowElements, all = args.rows * args.rowElements;
  const bool mean = args.reduction == Reduction::Mean;
  const float scale = mean ? math::meanScale(static_cast<double>(valid)) : 1.0f;
  // Pieces in batches, so that their sums fit on the stack until they are added in order.
  constexpr int64_t kPieces = 256;
  double sums[kPieces];
  double total = 0.0;
  for (int64_t first = 0; first < valid; first += kPieces * kPieceFloats) {
    const int64_t left = std::min(valid - first, kPieces * kPieceFloats);
    const int64_t pieces = (left + kPieceFloats - 1) / kPieceFloats;
    double* out = sums;
    parallelItems(pieces, kPieceFloats * 4, [=, &args](int64_t i) {
      const int64_t begin = first + i * kPieceFloats;
      const int64_t end = std::min(valid, begin + kPieceFloats);
      double sum = 0.0;
      for (int64_t at = begin; at < end; at += kBlock) {
        sum += lossBlock<Formula>(args, at, std::min(kBlock, end - at), scale);
      }
      out[i] = sum;
    });
    for (int64_t i = 0; i < pieces; ++i) total += sums[i];
  }
  if (args.grad != nullptr) std::fill(args.grad + valid, args.grad + all, 0.0f);
  if (args.reduction == Reduction::None) {
    std::fill(args.loss + valid, args.loss + all, 0.0f);
    return;
  }
  if (mean) {
    total =
        valid > 0 ? total / static_cast<double>(valid) : std::numeric_limits<double>::quiet_NaN();
  }
  *args.loss = static_cast<float>(total);
}

}  // namespace

extern const ElementLossKernels elementLossTable;
#define NN_LOSS_ROW(Formula, name) elementLoss<math::Formula>,
const ElementLossKernels elementLossTable = {{NN_ELEMENT_LOSSES(NN_LOSS_ROW)}};
#undef NN_LOSS_ROW

}  // namespace neuronode::NN_ISA
