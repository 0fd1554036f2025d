#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

// The output's axes are the input's, or 1 where it is summed up.
void checkSum(const NodeChecker& node) {
  const ValueSpec &x = node.in(0), &y = node.out(0);
  node.expect(x, DType::F32, x.shape, "input");
  node.rank(y, x.shape.size(), "output");
  Shape shape = x.shape;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (y.shape[axis] == 1) shape[axis] = 1;
  }
  node.expect(y, DType::F32, shape, "output");
  node.attrs().flag("mean");
}

}  // namespace neuronode
