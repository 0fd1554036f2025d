// The losses over classes, one block to a row, and the sum over rows.
//
// Policy: a thread takes every kThreads-th column; threads are then combined sixteen by sixteen, in
// their order. Exponentials are computed twice rather than kept. The gradient may be the logits.
#include <type_traits>

#include "kernels/row_reduction.h"
#include "loss/loss.h"
#include "math/softmax.h"

namespace neuronode::cuda {

// How many rows count; -1 where the number is impossible.
NN_DEVICE int64_t validRows(const ClassLoss& args) {
  const int64_t count = *args.count;
  return count < 0 || count > args.rows ? -1 : count;
}

// Where the target is spread over the classes: the parts of the target, what the largest logit's
// distance makes of them, and the class of the largest target.
template <int kThreads>
struct SpreadShared {
  double parts[kThreads];
  double moments[kThreads];
  float best[kThreads];
  int64_t at[kThreads];
  double ratio;  // of the parts' sum to the softmax's
};
struct NoSpread {};

template <int kThreadCount, bool kSpread>
struct ClassLossRows {
  static constexpr int kThreads = kThreadCount;
  using Reduction = RowReduction<kThreads>;
  static constexpr int kSpreadSteps = kSpread ? 3 : 0;
  static constexpr int kPhases = Reduction::kSteps + kSpreadSteps + 3;
  static constexpr int kFewestBlocks =
      8;  // 64 registers a thread at least: with fewer it would spill
  struct Shared : RowShared<kThreads> {
    std::conditional_t<kSpread, SpreadShared<kThreads>, NoSpread> spread;
    float scale, inverseSum;  // of the gradient, and of the softmax's terms
  };
  ClassLoss args;
  double even;  // each class's part of a target that is spread evenly

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t begin = block.index * args.pitch;
    if constexpr (kPhase < Reduction::kSteps) {
      Reduction{args.logits, args.columns, begin}.template phase<kPhase>(block.thread, shared);
    } else if constexpr (kPhase < Reduction::kSteps + kSpreadSteps) {
      spread<kPhase - Reduction::kSteps>(block, begin, shared);
    } else if constexpr (kPhase == Reduction::kSteps + kSpreadSteps) {
      if (block.thread == 0) writeFactors(shared);
    } else if constexpr (kPhase == Reduction::kSteps + kSpreadSteps + 1) {
      if (block.thread == 0) writeLoss(block.index, begin, shared);
    } else {
      if (args.gradient.at != nullptr) writeGradient(block, begin, shared);
    }
  }

  NN_DEVICE double targetOf(int64_t row, int64_t k) const {
    if (args.targets != nullptr) return args.targets[row * args.columns + k];
    return k == args.labels[row] ? 1.0 : 0.0;
  }

  // The part of the target that is class k's, weighted.
  NN_DEVICE double partOf(int64_t row, int64_t k) const {
    const double part = (1.0 - args.labelSmoothing) * targetOf(row, k) + even;
    return args.weights == nullptr ? part : args.weights[k] * part;
  }

  template <int kStep>
  NN_DEVICE void spread(const Block& block, int64_t begin, Shared& shared) const {
    auto& own = shared.spread;
    const int thread = block.thread;
    if constexpr (kStep == 0) {
      double parts = 0.0, moments = 0.0;
      float best = -kInfinity;
      int64_t at = args.columns;
      for (int64_t k = thread; k < args.columns; k += kThreads) {
        const double part = partOf(block.index, k);
        const auto target = static_cast<float>(targetOf(block.index, k));
        parts += part;
        moments += part * (static_cast<double>(loadAt(args.logits, begin + k)) - shared.rowMax);
        if (isBetter(target, k, best, at)) best = target, at = k;
      }
      own.parts[thread] = parts;
      own.moments[thread] = moments;
      own.best[thread] = best;
      own.at[thread] = at;
    } else if constexpr (kStep == 1) {
      combineGroup(own.parts, thread);
      combineGroup(own.moments, thread);
      combineGroup(own.best, own.at, thread);
    } else {
      if (thread != 0) return;
      own.parts[0] = combineGroups(own.parts);
      own.moments[0] = combineGroups(own.moments);
      combineGroups(own.best, own.at);
    }
  }

  // The label, or with targets the class of the largest.
  NN_DEVICE int64_t labelOf(int64_t row, const Shared& shared) const {
    if constexpr (kSpread) {
      if (args.targets != nullptr) return shared.spread.at[0];
    }
    return args.labels[row];
  }

  NN_DEVICE double lossOf(int64_t label, int64_t begin, const Shared& shared) const {
    if constexpr (kSpread) {
      return std::log(shared.total) * shared.spread.parts[0] - shared.spread.moments[0];
    }
    const float logit = loadAt(args.logits, begin + label);
    const double weight = args.weights == nullptr ? 1.0 : args.weights[label];
    if (args.areLogs) return -weight * static_cast<double>(logit);
    return weight * math::crossEntropyRow(logit, shared.rowMax, shared.total);
  }

  NN_DEVICE bool countsWith(int64_t row, int64_t label) const {
    return row < validRows(args) && (args.targets != nullptr || label != args.ignoreIndex);
  }

  NN_DEVICE bool isClass(int64_t label) const { return label >= 0 && label < args.columns; }

  // By one thread, so that no other divides in f64.
  NN_DEVICE void writeFactors(Shared& shared) const {
    const bool mean = args.reduction == neuronode::Reduction::Mean;
    shared.scale = mean ? math::meanScale(args.rowLoss[args.rows]) : 1.0f;
    shared.inverseSum = static_cast<float>(1.0 / shared.total);
    if constexpr (kSpread) shared.spread.ratio = shared.spread.parts[0] / shared.total;
  }

  NN_DEVICE void writeLoss(int64_t row, int64_t begin, const Shared& shared) const {
    const int64_t label = labelOf(row, shared);
    const bool counts = countsWith(row, label);
    double loss = 0.0;
    if (counts) loss = isClass(label) ? lossOf(label, begin, shared) : kNan;
    args.rowLoss[row] = loss;
    args.rowCorrect[row] = counts && shared.rowAnswer == label ? 1 : 0;
    if (args.reduction == neuronode::Reduction::None) args.loss[row] = static_cast<float>(loss);
  }

  NN_DEVICE void writeGradient(const Block& block, int64_t begin, const Shared& shared) const {
    const int64_t label = labelOf(block.index, shared);
    const float scale = shared.scale;
    const bool isWritten = countsWith(block.index, label) && isClass(label);
    const float weight = args.weights == nullptr || !isWritten ? 1.0f : args.weights[label];
    for (int64_t k = block.thread; k < args.pitch; k += kThreads) {
      float grad = 0.0f;
      if (isWritten && k < args.columns) {
        if (!kSpread && args.areLogs) {
          grad = k == label ? -weight * scale : 0.0f;
        } else {
          const float term = math::softmaxTerm(loadAt(args.logits, begin + k), shared.rowMax);
          if constexpr (kSpread) {
            grad = math::spreadGrad(term, shared.spread.ratio, partOf(block.index, k), scale);
          } else {
            grad = math::crossEntropyGrad(term, shared.inverseSum, k == label, weight * scale);
          }
        }
      }
      storeAt(args.gradient, begin + k, grad);
    }
  }
};

// What the rows that count weigh, behind the rows' losses.
struct RowWeights {
  static constexpr int kThreads = 256, kPhases = 3;
  struct Shared {
    double weights[kThreads];
  };
  ClassLoss args;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int thread = block.thread;
    if constexpr (kPhase == 0) {
      const int64_t valid = validRows(args);
      double sum = 0.0;
      for (int64_t row = thread; row < valid; row += kThreads) sum += weightOf(row);
      shared.weights[thread] = sum;
    } else if constexpr (kPhase == 1) {
      combineGroup(shared.weights, thread);
    } else {
      if (thread == 0) args.rowLoss[args.rows] = combineGroups(shared.weights);
    }
  }

  NN_DEVICE double weightOf(int64_t row) const {
    if (args.targets != nullptr) return 1.0;
    const int64_t label = args.labels[row];
    if (label == args.ignoreIndex) return 0.0;
    if (args.weights == nullptr || label < 0 || label >= args.columns) return 1.0;
    return args.weights[label];
  }
};

struct LossTotal {
  static constexpr int kThreads = 256, kPhases = 3;
  struct Shared {
    double loss[kThreads];
    int32_t correct[kThreads];
  };
  ClassLoss args;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int thread = block.thread;
    if constexpr (kPhase == 0) {
      double loss = 0.0;
      int32_t correct = 0;
      for (int64_t row = thread; row < args.rows; row += kThreads) {
        loss += args.rowLoss[row];
        correct += args.rowCorrect[row];
      }
      shared.loss[thread] = loss;
      shared.correct[thread] = correct;
    } else if constexpr (kPhase == 1) {
      combineGroup(shared.loss, thread);
      combineGroup(shared.correct, thread);
    } else {
      if (thread != 0) return;
      double loss = combineGroups(shared.loss);
      // 0 / 0 is NaN already.
      if (args.reduction == Reduction::Mean) loss /= args.rowLoss[args.rows];
      if (validRows(args) < 0) loss = kNan;
      if (args.reduction != Reduction::None) *args.loss = static_cast<float>(loss);
      *args.correct = combineGroups(shared.correct);
    }
  }
};

void classLoss(cudaStream_t stream, const ClassLoss& args) {
  if (args.reduction == Reduction::Mean) launchBlocks(stream, "rowWeights", 1, RowWeights{args});
  const bool isSpread = args.targets != nullptr || args.labelSmoothing > 0.0;
  const double even = args.labelSmoothing / static_cast<double>(args.columns);
  const auto launch = [&](const auto& body) { launchBlocks(stream, "classLoss", args.rows, body); };
  withRowThreads(args.columns, [&](auto threads) {
    if (isSpread) {
      launch(ClassLossRows<threads, true>{args, even});
    } else {
      launch(ClassLossRows<threads, false>{args, even});
    }
  });
  launchBlocks(stream, "lossTotal", 1, LossTotal{args});
}

}  // namespace neuronode::cuda
