#include "graph/check_node.h"

namespace neuronode {

namespace {

// x: [N, in], w: [out, in], y: [N, out].
void checkTensors(const NodeChecker& node, const ValueSpec& x, const ValueSpec& w,
                  const ValueSpec& y) {
  node.rank(x, 2, "input");
  node.rank(w, 2, "weight");
  node.expect(x, DType::F32, {x.shape[0], w.shape[1]}, "input");
  node.expect(w, DType::F32, w.shape, "weight");
  node.expect(y, DType::F32, {x.shape[0], w.shape[0]}, "output");
}

}  // namespace

void checkLinear(const NodeChecker& node) {
  checkTensors(node, node.in(0), node.in(1), node.out(0));
  if (node.inputs() == 3) node.expect(node.in(2), DType::F32, {node.in(1).shape[0]}, "bias");
}

void checkLinearInputGrad(const NodeChecker& node) {
  checkTensors(node, node.out(0), node.in(1), node.in(0));
}

void checkLinearWeightGrad(const NodeChecker& node) {
  checkTensors(node, node.in(0), node.out(0), node.in(1));
  if (node.outputs() == 2) {
    node.expect(node.out(1), DType::F32, {node.out(0).shape[0]}, "bias grad");
  }
}

void checkGemm(const NodeChecker& node) {
  const ValueSpec &a = node.in(0), &b = node.in(1);
  node.rank(a, 2, "first input");
  node.rank(b, 2, "second input");
  const bool ta = node.attrs().flag("transposeA");
  const bool tb = node.attrs().flag("transposeB");
  node.attrs().number("alpha");
  const int64_t m = a.shape[ta ? 1 : 0], k = a.shape[ta ? 0 : 1];
  const int64_t n = b.shape[tb ? 0 : 1];
  node.expect(a, DType::F32, a.shape, "first input");
  node.expect(b, DType::F32, tb ? Shape{n, k} : Shape{k, n}, "second input");
  node.expect(node.out(0), DType::F32, {m, n}, "output");
}

}  // namespace neuronode
