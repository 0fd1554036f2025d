// Softmax and cross-entropy, one block to a row, and the sum over rows.
//
// Policy: a thread takes every kThreads-th column; threads are then combined sixteen by sixteen, in
// their order. Exponentials are computed twice rather than kept. The gradient may be the logits.
#include "kernels/access.h"
#include "loss/loss.h"
#include "math/softmax.h"

namespace neuronode::cuda {

inline constexpr int kGroup = 16;  // threads that one thread combines

template <int kThreads>
struct RowShared {
  float best[kThreads];
  int64_t at[kThreads];
  double sums[kThreads];
  float rowMax;
  int64_t rowAnswer;
  double total;
};

// Whether (x, at) is the row's maximum rather than (best, bestAt): the first of equals.
NN_DEVICE bool isBetter(float x, int64_t at, float best, int64_t bestAt) {
  if (math::isNewMaximum(x, best)) return true;
  if (math::isNewMaximum(best, x)) return false;
  return at < bestAt;
}

// The five phases after which the maximum, its column and the sum of exponentials are in `shared`.
template <int kThreads>
struct RowReduction {
  static constexpr int kSteps = 6;
  Floats x;
  int64_t columns;
  int64_t begin;  // of the row

  template <int kPhase>
  NN_DEVICE void phase(int thread, RowShared<kThreads>& shared) const {
    if constexpr (kPhase == 0) {
      float best = -kInfinity;
      int64_t at = columns;
      for (int64_t k = thread; k < columns; k += kThreads) {
        const float value = loadAt(x, begin + k);
        if (isBetter(value, k, best, at)) {
          best = value;
          at = k;
        }
      }
      shared.best[thread] = best;
      shared.at[thread] = at;
    } else if constexpr (kPhase == 1) {
      if (thread < kThreads / kGroup) combineBest(thread * kGroup, 1, kGroup, shared);
    } else if constexpr (kPhase == 2) {
      if (thread != 0) return;
      combineBest(0, kGroup, kThreads / kGroup, shared);
      shared.rowMax = shared.best[0];
      shared.rowAnswer = math::answerOf(shared.at[0], shared.best[0]);
    } else if constexpr (kPhase == 3) {
      double sum = 0.0;
      for (int64_t k = thread; k < columns; k += kThreads) {
        sum += math::softmaxTerm(loadAt(x, begin + k), shared.rowMax);
      }
      shared.sums[thread] = sum;
    } else if constexpr (kPhase == 4) {
      if (thread < kThreads / kGroup) combineSums(thread * kGroup, 1, kGroup, shared);
    } else {
      if (thread != 0) return;
      combineSums(0, kGroup, kThreads / kGroup, shared);
      shared.total = shared.sums[0];
    }
  }

  // Of `count` entries from `first` on, `step` apart, into the first.
  NN_DEVICE static void combineBest(int first, int step, int count, RowShared<kThreads>& shared) {
    for (int i = 1; i < count; ++i) {
      const int other = first + i * step;
      if (isBetter(shared.best[other], shared.at[other], shared.best[first], shared.at[first])) {
        shared.best[first] = shared.best[other];
        shared.at[first] = shared.at[other];
      }
    }
  }

  NN_DEVICE static void combineSums(int first, int step, int count, RowShared<kThreads>& shared) {
    double sum = shared.sums[first];
    for (int i = 1; i < count; ++i) sum += shared.sums[first + i * step];
    shared.sums[first] = sum;
  }
};

template <int kThreadCount>
struct SoftmaxRows {
  static constexpr int kThreads = kThreadCount;
  using Reduction = RowReduction<kThreads>;
  static constexpr int kPhases = Reduction::kSteps + 1;
  using Shared = RowShared<kThreads>;
  Floats x, y;
  int64_t columns, pitch;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t begin = block.index * pitch;
    if constexpr (kPhase < Reduction::kSteps) {
      Reduction{x, columns, begin}.template phase<kPhase>(block.thread, shared);
    } else {
      const auto inverseSum = static_cast<float>(1.0 / shared.total);
      for (int64_t k = block.thread; k < pitch; k += kThreads) {
        const float term =
            k < columns ? math::softmaxTerm(loadAt(x, begin + k), shared.rowMax) : 0.0f;
        storeAt(y, begin + k, term * inverseSum);
      }
    }
  }
};

// How many rows count; -1 where the number is impossible.
NN_DEVICE int64_t validRows(const CrossEntropy& args) {
  const int64_t count = *args.count;
  return count < 0 || count > args.rows ? -1 : count;
}

template <int kThreadCount>
struct CrossEntropyRows {
  static constexpr int kThreads = kThreadCount;
  using Reduction = RowReduction<kThreads>;
  static constexpr int kPhases = Reduction::kSteps + 1;
  using Shared = RowShared<kThreads>;
  CrossEntropy args;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t begin = block.index * args.pitch;
    if constexpr (kPhase < Reduction::kSteps) {
      Reduction{args.logits, args.columns, begin}.template phase<kPhase>(block.thread, shared);
    } else {
      finish(block, begin, shared);
    }
  }

  NN_DEVICE void finish(const Block& block, int64_t begin, const Shared& shared) const {
    const int64_t valid = validRows(args);
    const int64_t label = args.labels[block.index];
    const bool counts = block.index < valid;
    const bool possible = label >= 0 && label < args.columns;
    if (block.thread == 0) {
      double loss = 0.0;
      if (counts) {
        loss = possible ? math::crossEntropyRow(loadAt(args.logits, begin + label), shared.rowMax,
                                                shared.total)
                        : kNan;
      }
      args.rowLoss[block.index] = loss;
      args.rowCorrect[block.index] = counts && shared.rowAnswer == label ? 1 : 0;
    }
    if (args.gradient.at == nullptr) return;
    const auto inverseSum = static_cast<float>(1.0 / shared.total);
    const float weight = args.sum ? 1.0f : static_cast<float>(1.0 / static_cast<double>(valid));
    for (int64_t k = block.thread; k < args.pitch; k += kThreads) {
      float grad = 0.0f;
      if (counts && possible && k < args.columns) {
        const float term = math::softmaxTerm(loadAt(args.logits, begin + k), shared.rowMax);
        grad = math::crossEntropyGrad(term, inverseSum, k == label, weight);
      }
      storeAt(args.gradient, begin + k, grad);
    }
  }
};

struct LossTotal {
  static constexpr int kThreads = 256, kPhases = 3;
  struct Shared {
    double loss[kThreads];
    int32_t correct[kThreads];
  };
  CrossEntropy args;

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
      if (thread < kThreads / kGroup) combine(thread * kGroup, 1, kGroup, shared);
    } else {
      if (thread != 0) return;
      combine(0, kGroup, kThreads / kGroup, shared);
      const int64_t valid = validRows(args);
      double loss = shared.loss[0];
      if (!args.sum) loss /= static_cast<double>(valid);
      // 0 / 0 is NaN already.
      if (valid < 0) loss = kNan;
      *args.loss = static_cast<float>(loss);
      *args.correct = shared.correct[0];
    }
  }

  NN_DEVICE static void combine(int first, int step, int count, Shared& shared) {
    for (int i = 1; i < count; ++i) {
      shared.loss[first] += shared.loss[first + i * step];
      shared.correct[first] += shared.correct[first + i * step];
    }
  }
};

namespace {

constexpr int kFewThreads = 32, kManyThreads = 128;
constexpr int64_t kFewColumns = 128;

}  // namespace

void softmax(cudaStream_t stream, Floats x, Floats y, int64_t rows, int64_t columns,
             int64_t pitch) {
  if (columns <= kFewColumns) {
    launchBlocks(stream, "softmax", rows, SoftmaxRows<kFewThreads>{x, y, columns, pitch});
  } else {
    launchBlocks(stream, "softmax", rows, SoftmaxRows<kManyThreads>{x, y, columns, pitch});
  }
}

void crossEntropy(cudaStream_t stream, const CrossEntropy& args) {
  if (args.columns <= kFewColumns) {
    launchBlocks(stream, "crossEntropy", args.rows, CrossEntropyRows<kFewThreads>{args});
  } else {
    launchBlocks(stream, "crossEntropy", args.rows, CrossEntropyRows<kManyThreads>{args});
  }
  launchBlocks(stream, "lossTotal", 1, LossTotal{args});
}

}  // namespace neuronode::cuda
