// A row's maximum, its column and the sum of its exponentials, by the threads of one block.
#pragma once

#include <type_traits>

#include "kernels/access.h"
#include "kernels/combine.h"
#include "math/softmax.h"

namespace neuronode::cuda {

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

// Of `count` entries, `step` apart, the best into the first.
NN_DEVICE void combineBest(float* best, int64_t* at, int step, int count) {
  NN_NO_UNROLL
  for (int i = 1; i < count; ++i) {
    const int other = i * step;
    if (isBetter(best[other], at[other], best[0], at[0])) {
      best[0] = best[other];
      at[0] = at[other];
    }
  }
}

// As combineGroup and combineGroups, which leaves it in the first entry.
template <int kThreads>
NN_DEVICE void combineGroup(float (&best)[kThreads], int64_t (&at)[kThreads], int thread) {
  if (thread >= kThreads / kGroup) return;
  combineBest(best + thread * kGroup, at + thread * kGroup, 1, kGroup);
}
template <int kThreads>
NN_DEVICE void combineGroups(float (&best)[kThreads], int64_t (&at)[kThreads]) {
  combineBest(best, at, kGroup, kThreads / kGroup);
}

// The six phases after which the maximum, its column and the sum of exponentials are in `shared`.
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
      combineGroup(shared.best, shared.at, thread);
    } else if constexpr (kPhase == 2) {
      if (thread != 0) return;
      combineGroups(shared.best, shared.at);
      shared.rowMax = shared.best[0];
      shared.rowAnswer = math::answerOf(shared.at[0], shared.best[0]);
    } else if constexpr (kPhase == 3) {
      double sum = 0.0;
      for (int64_t k = thread; k < columns; k += kThreads) {
        sum += math::softmaxTerm(loadAt(x, begin + k), shared.rowMax);
      }
      shared.sums[thread] = sum;
    } else if constexpr (kPhase == 4) {
      combineGroup(shared.sums, thread);
    } else {
      if (thread != 0) return;
      shared.total = combineGroups(shared.sums);
    }
  }
};

// Calls launch(how many threads) with a constant for rows of so many columns.
template <class Launch>
void withRowThreads(int64_t columns, const Launch& launch) {
  constexpr int kFew = 32, kMany = 128;
  if (columns <= kMany) {
    launch(std::integral_constant<int, kFew>());
  } else {
    launch(std::integral_constant<int, kMany>());
  }
}

}  // namespace neuronode::cuda
