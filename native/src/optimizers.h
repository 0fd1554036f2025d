// From an optimizer's node to its options. For every backend and for the graph's checks.
#pragma once

#include "error.h"
#include "graph/spec.h"
#include "math/optimizer.h"

namespace neuronode {

// call(options) with the options of the node's optimizer, one of the structs of NN_OPTIMIZERS.
template <class Call>
auto withOptimizer(const NodeSpec& node, const Call& call) {
  switch (node.op) {
#define NN_OPTIMIZER_ROW(Operation, opName, Options) \
  case Op::Operation:                                \
    return call(math::Options::of(node.attrs));
    NN_OPTIMIZERS(NN_OPTIMIZER_ROW)
#undef NN_OPTIMIZER_ROW
    default:
      throw Error(errc::kArgument, std::string(opName(node.op)) + " is no optimizer's step");
  }
}

// How many tensors of state the node has for each parameter.
inline int stateCount(const NodeSpec& node) {
  return withOptimizer(node, [](const auto& options) { return math::stateCount(options); });
}

}  // namespace neuronode
