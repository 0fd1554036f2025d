#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

namespace {

// The row's axis, and that all have the shape of input 0.
void checkRows(const NodeChecker& node) {
  const Shape& shape = node.in(0).shape;
  for (size_t i = 0; i < node.inputs(); ++i) {
    node.expect(node.in(i), DType::F32, shape, "input");
  }
  node.expect(node.out(0), DType::F32, shape, "output");
  if (shape.empty()) node.fail(errc::kShape, "a scalar has no axis to go along");
  node.integers("dim", 1, 0, static_cast<int64_t>(shape.size()) - 1);
}

}  // namespace

void checkSoftmax(const NodeChecker& node) { checkRows(node); }

void checkSoftmaxGrad(const NodeChecker& node) { checkRows(node); }

}  // namespace neuronode
