#include "error.h"
#include "graph/check_node.h"
#include "optimizers.h"

namespace neuronode {

// Parameter, gradient, state..., step, lr.
void checkOptimizerStep(const NodeChecker& node) {
  const Shape& shape = node.in(0).shape;
  const size_t tensors = node.inputs() - opInfo(node.op()).shared;
  node.expect(node.in(0), DType::F32, shape, "parameter");
  node.expect(node.in(1), DType::F32, shape, "gradient");
  for (size_t i = 2; i < tensors; ++i) node.expect(node.in(i), DType::F32, shape, "state");
  node.expect(node.in(tensors), DType::I32, {}, "step");
  node.expect(node.in(tensors + 1), DType::F64, {}, "lr");
  const auto states = static_cast<size_t>(stateCount(node.spec()));
  if (tensors != 2 + states) {
    node.fail(errc::kArgument, "takes " + std::to_string(states) +
                                   " tensors of state with these attributes, got " +
                                   std::to_string(tensors - 2));
  }
}

}  // namespace neuronode
