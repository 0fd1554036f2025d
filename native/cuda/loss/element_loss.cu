// Element-wise losses: a block to a piece of the elements, and the sum over the pieces.
//
// Policy: a thread takes every kThreads-th element of its piece; threads are then combined sixteen
// by sixteen, in their order. The gradient may be x.
#include "kernels/access.h"
#include "loss/element_loss.h"

namespace neuronode::cuda {

inline constexpr int kElementThreads = 256;
inline constexpr int kElementGroup = 16;  // threads that one thread combines

// The sum of kElementThreads numbers, in two phases; it is in the first afterwards.
struct ElementSums {
  double at[kElementThreads];
};
NN_DEVICE void combineGroup(int first, int step, int count, ElementSums& sums) {
  for (int i = 1; i < count; ++i) sums.at[first] += sums.at[first + i * step];
}
NN_DEVICE void combineGroups(int thread, ElementSums& sums) {
  if (thread < kElementThreads / kElementGroup) {
    combineGroup(thread * kElementGroup, 1, kElementGroup, sums);
  }
}
NN_DEVICE void combineAll(int thread, ElementSums& sums) {
  if (thread == 0) combineGroup(0, kElementGroup, kElementThreads / kElementGroup, sums);
}

// How many rows count; -1 where the number is impossible.
NN_DEVICE int64_t realRows(const ElementLoss& args) {
  const int64_t count = *args.count;
  return count < 0 || count > args.rows ? -1 : count;
}

NN_DEVICE float weightOf(const RepeatedWeights& weights, int64_t element, float fixed) {
  if (weights.at == nullptr) return fixed;
  return inGlobal(weights.at)[element / weights.inner % weights.length];
}

template <class Formula>
struct ElementLossPieces {
  static constexpr int kThreads = kElementThreads, kPhases = 3;
  using Shared = ElementSums;
  ElementLoss args;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    if constexpr (kPhase == 0) {
      shared.at[block.thread] = walk(block);
    } else if constexpr (kPhase == 1) {
      combineGroups(block.thread, shared);
    } else {
      combineAll(block.thread, shared);
      if (block.thread == 0) args.sums[block.index] = shared.at[0];
    }
  }

  NN_DEVICE double walk(const Block& block) const {
    const int64_t all = args.rows * args.rowElements;
    const int64_t valid = realRows(args) * args.rowElements;
    const bool mean = args.reduction == Reduction::Mean;
    const float scale = mean ? math::meanScale(static_cast<double>(valid)) : 1.0f;
    const int64_t begin = block.index * kLossPiece;
    const int64_t end = begin + kLossPiece < all ? begin + kLossPiece : all;
    double sum = 0.0;
    for (int64_t i = begin + block.thread; i < end; i += kThreads) {
      float loss = 0.0f, gradient = 0.0f;
      if (i < valid) {
        const int64_t element = i % args.rowElements;
        const float x = args.x[i], target = args.target[i];
        const float parameter = weightOf(args.parameters, element, args.parameter);
        const float weight = weightOf(args.weights, element, 1.0f);
        loss = Formula::value(x, target, parameter) * weight;
        gradient = Formula::gradient(x, target, parameter) * weight * scale;
      }
      sum += static_cast<double>(loss);
      if (args.reduction == Reduction::None) args.loss[i] = loss;
      if (args.gradient != nullptr) args.gradient[i] = gradient;
    }
    return sum;
  }
};

struct ElementLossTotal {
  static constexpr int kThreads = kElementThreads, kPhases = 3;
  using Shared = ElementSums;
  ElementLoss args;
  int64_t pieces;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    if constexpr (kPhase == 0) {
      double sum = 0.0;
      for (int64_t i = block.thread; i < pieces; i += kThreads) sum += args.sums[i];
      shared.at[block.thread] = sum;
    } else if constexpr (kPhase == 1) {
      combineGroups(block.thread, shared);
    } else {
      combineAll(block.thread, shared);
      if (block.thread != 0) return;
      const int64_t valid = realRows(args);
      double loss = shared.at[0];
      // 0 / 0 is NaN already.
      if (args.reduction == Reduction::Mean) {
        loss /= static_cast<double>(valid) * static_cast<double>(args.rowElements);
      }
      if (valid < 0) loss = kNan;
      *args.loss = static_cast<float>(loss);
    }
  }
};

namespace {

template <class Formula>
void launchElementLoss(cudaStream_t stream, const char* name, const ElementLoss& args) {
  const int64_t pieces = lossPieces(args.rows * args.rowElements);
  launchBlocks(stream, name, pieces, ElementLossPieces<Formula>{args});
  if (args.reduction == Reduction::None) return;
  launchBlocks(stream, "elementLossTotal", 1, ElementLossTotal{args, pieces});
}

}  // namespace

#define NN_LOSS_ROW(Formula, name)                          \
  void name(cudaStream_t stream, const ElementLoss& args) { \
    launchElementLoss<math::Formula>(stream, #name, args);  \
  }
NN_ELEMENT_LOSSES(NN_LOSS_ROW)

}  // namespace neuronode::cuda
