// How a graph's losses lie in memory. For the checks and for every backend.
#pragma once

#include <span>

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

// The fields that every backend's arguments of an element-wise loss have, of a node whose inputs
// are x, target, count, weights, weights of the positive part.
template <class Options>
void readElementLoss(const NodeSpec& node, std::span<const TensorDesc> inputs, Options& options) {
  const Shape& shape = inputs[0].shape;
  options.rows = shape[0];
  options.rowElements = elementCount(shape) / shape[0];
  options.reduction = reductionOf(node.attrs);
  options.parameter =
      node.op == Op::SmoothL1Loss ? static_cast<float>(node.attrs.number("beta")) : 1.0f;
  if (inputs.size() > 3) repeatsOver(inputs[3].shape, shape, options.weights);
  if (inputs.size() > 4) repeatsOver(inputs[4].shape, shape, options.parameters);
}

}  // namespace neuronode
