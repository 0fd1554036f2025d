// What a graph's nodes say of softmax. For every backend.
#pragma once

#include "graph/spec.h"
#include "nest.h"

namespace neuronode {

inline bool isLogSoftmax(Op op) { return op == Op::LogSoftmax || op == Op::LogSoftmaxGrad; }
inline bool isSoftmaxGradient(Op op) { return op == Op::SoftmaxGrad || op == Op::LogSoftmaxGrad; }

// Memory as [before, size, behind], rows going along `size`.
struct RowsAlong {
  int64_t before = 1, size = 1, behind = 1;

  RowsAlong(const Axes& axes, size_t axis) : size(axes[axis]) {
    for (size_t i = 0; i < axis; ++i) before *= axes[i];
    for (size_t i = axis + 1; i < axes.size(); ++i) behind *= axes[i];
  }
};

}  // namespace neuronode
