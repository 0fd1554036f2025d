#include <algorithm>

#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

void checkActivation(const NodeChecker& node) {
  const Shape& shape = node.in(0).shape;
  node.expect(node.out(0), DType::F32, shape, "output");
  node.expect(node.in(0), DType::F32, shape, "input");
}

// Axes of one element are repeated along those of the other operand.
void checkArithmetic(const NodeChecker& node) {
  const ValueSpec &a = node.in(0), &b = node.in(1);
  node.expect(a, DType::F32, a.shape, "first input");
  node.rank(b, a.shape.size(), "second input");
  Shape shape = a.shape;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    shape[axis] = std::max(a.shape[axis], b.shape[axis]);
    for (const int64_t size : {a.shape[axis], b.shape[axis]}) {
      if (size == 1 || size == shape[axis]) continue;
      node.fail(errc::kShape, "inputs " + shapeString(a.shape) + " and " + shapeString(b.shape) +
                                  " do not fit each other");
    }
  }
  node.expect(b, DType::F32, b.shape, "second input");
  node.expect(node.out(0), DType::F32, shape, "output");
}

// Of the gradient and the activation's output or input.
void checkActivationGrad(const NodeChecker& node) {
  const Shape& shape = node.out(0).shape;
  node.expect(node.in(0), DType::F32, shape, "first input");
  node.expect(node.in(1), DType::F32, shape, "second input");
  node.expect(node.out(0), DType::F32, shape, "output");
}

}  // namespace neuronode
