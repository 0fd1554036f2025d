#include "graph/check_node.h"

namespace neuronode {

void checkActivation(const NodeChecker& node) {
  const Shape& shape = node.in(0).shape;
  node.expect(node.out(0), DType::F32, shape, "output");
  node.expect(node.in(0), DType::F32, shape, "input");
}

void checkArithmetic(const NodeChecker& node) {
  const Shape& shape = node.out(0).shape;
  node.expect(node.in(0), DType::F32, shape, "first input");
  node.expect(node.in(1), DType::F32, shape, "second input");
  node.expect(node.out(0), DType::F32, shape, "output");
}

// Of the gradient and the activation's output or input.
void checkActivationGrad(const NodeChecker& node) { checkArithmetic(node); }

}  // namespace neuronode
