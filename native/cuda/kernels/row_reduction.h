// A row's maximum, its column and the sum of its exponentials, by the threads of one block.
#pragma once

#include "kernels/access.h"
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
    NN_NO_UNROLL
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

}  // namespace neuronode::cuda
