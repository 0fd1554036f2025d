#include "graph/check_node.h"

namespace neuronode {

void checkSoftmax(const NodeChecker& node) {
  const ValueSpec& x = node.in(0);
  node.rank(x, 2, "input");
  node.expect(x, DType::F32, x.shape, "input");
  node.expect(node.out(0), DType::F32, x.shape, "output");
}

}  // namespace neuronode
