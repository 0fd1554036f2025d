// The sums of a block's threads, put together in the threads' order: first sixteen by sixteen, then
// all. A phase lies between the two.
#pragma once

#include "launch.h"

namespace neuronode::cuda {

inline constexpr int kGroup = 16;  // threads that one thread combines

// The first of `count` values, `step` apart, and the others added to it.
template <class T>
NN_DEVICE T added(const T* values, int step, int count) {
  T sum = values[0];
  NN_NO_UNROLL
  for (int i = 1; i < count; ++i) sum += values[i * step];
  return sum;
}

// The first threads each leave the sum of sixteen values in the first of them.
template <class T, int kThreads>
NN_DEVICE void combineGroup(T (&values)[kThreads], int thread) {
  if (thread >= kThreads / kGroup) return;
  values[thread * kGroup] = added(values + thread * kGroup, 1, kGroup);
}

// The sum of what they left, for one thread.
template <class T, int kThreads>
NN_DEVICE T combineGroups(const T (&values)[kThreads]) {
  return added(values, kGroup, kThreads / kGroup);
}

}  // namespace neuronode::cuda
