#include "graph/check_node.h"

namespace neuronode {

void checkSoftmaxCrossEntropy(const NodeChecker& node) {
  const ValueSpec& logits = node.in(0);
  node.rank(logits, 2, "logits");
  node.expect(logits, DType::F32, logits.shape, "logits");
  node.expect(node.in(1), DType::I32, {logits.shape[0]}, "labels");
  node.expect(node.in(2), DType::I32, {}, "count");
  node.expect(node.out(0), DType::F32, {}, "loss");
  node.expect(node.out(1), DType::I32, {}, "correct");
  if (node.outputs() == 3) node.expect(node.out(2), DType::F32, logits.shape, "gradient");
}

}  // namespace neuronode
