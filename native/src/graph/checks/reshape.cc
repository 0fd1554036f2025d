#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

void checkReshape(const NodeChecker& node) {
  const ValueSpec &x = node.in(0), &y = node.out(0);
  if (x.dtype != y.dtype) node.fail(errc::kDType, "reshape keeps the element type");
  if (elementCount(x.shape) != elementCount(y.shape)) {
    node.fail(errc::kShape,
              "cannot reshape " + shapeString(x.shape) + " to " + shapeString(y.shape));
  }
}

}  // namespace neuronode
