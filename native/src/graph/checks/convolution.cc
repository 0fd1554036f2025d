#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

namespace {

// x: [N, C, H, W], w: [K, C/groups, R, S], y: [N, K, P, Q].
void checkTensors(const NodeChecker& node, const ValueSpec& x, const ValueSpec& w,
                  const ValueSpec& y) {
  node.rank(x, 4, "input");
  node.rank(w, 4, "weight");
  node.rank(y, 4, "output");
  const Attrs::Pair stride = node.positive("stride", 1);
  const Attrs::Pair padding = node.positive("padding", 0);
  const Attrs::Pair dilation = node.positive("dilation", 1);
  const int64_t groups = node.attrs().integer("groups");
  if (groups < 1 || x.shape[1] % groups != 0 || w.shape[0] % groups != 0 ||
      w.shape[1] != x.shape[1] / groups) {
    node.fail(errc::kShape, "groups " + std::to_string(groups) + " do not fit input " +
                                shapeString(x.shape) + " and weight " + shapeString(w.shape));
  }
  const int64_t spanH = x.shape[2] + 2 * padding.h - dilation.h * (w.shape[2] - 1) - 1;
  const int64_t spanW = x.shape[3] + 2 * padding.w - dilation.w * (w.shape[3] - 1) - 1;
  if (spanH < 0 || spanW < 0) {
    node.fail(errc::kShape, "the kernel is larger than the padded input " + shapeString(x.shape));
  }
  node.expect(x, DType::F32, x.shape, "input");
  node.expect(w, DType::F32, w.shape, "weight");
  node.expect(y, DType::F32, {x.shape[0], w.shape[0], spanH / stride.h + 1, spanW / stride.w + 1},
              "output");
}

}  // namespace

void checkConv2d(const NodeChecker& node) {
  checkTensors(node, node.in(0), node.in(1), node.out(0));
  if (node.inputs() == 3) node.expect(node.in(2), DType::F32, {node.in(1).shape[0]}, "bias");
}

void checkConv2dInputGrad(const NodeChecker& node) {
  checkTensors(node, node.out(0), node.in(1), node.in(0));
}

void checkConv2dWeightGrad(const NodeChecker& node) {
  checkTensors(node, node.in(0), node.out(0), node.in(1));
  if (node.outputs() == 2) {
    node.expect(node.out(1), DType::F32, {node.out(0).shape[0]}, "bias grad");
  }
}

}  // namespace neuronode
