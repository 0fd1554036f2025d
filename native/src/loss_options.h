// How a graph's losses lie in memory. For the checks and for every backend.
#pragma once

#include "graph/spec.h"
#include "math/loss.h"

namespace neuronode {

// How weights of shape `weight` repeat over the examples of x [N, ...]: their axes are x's last
// ones, from behind the batch; axes of one element at their beginning and their end stand for all.
// False where they do not fit.
inline bool repeatsOver(const Shape& weight, const Shape& x, RepeatedWeights& repeated) {
  const size_t axes = weight.size();
  if (axes >= x.size()) return false;
  size_t begin = 0, end = axes;
  while (begin < end && weight[begin] == 1) ++begin;
  while (begin < end && weight[end - 1] == 1) --end;
  repeated.inner = repeated.length = 1;
  for (size_t i = 0; i < axes; ++i) {
    const int64_t extent = x[x.size() - axes + i];
    if (i >= end) {
      repeated.inner *= extent;
    } else if (i >= begin) {
      if (weight[i] != extent) return false;
      repeated.length *= extent;
    }
  }
  return true;
}

inline Reduction reductionOf(const Attrs& attrs) {
  return static_cast<Reduction>(attrs.integer("reduction"));
}

}  // namespace neuronode
