#include "error.h"
#include "graph/check_node.h"
#include "loss_options.h"

namespace neuronode {

namespace {

// Of a loss whose examples' losses, where they are not put together, are of `shape`.
void checkLossOutput(const NodeChecker& node, const Shape& shape) {
  const double reduction = node.attrs().number("reduction");
  if (reduction != 0 && reduction != 1 && reduction != 2) {
    node.fail(errc::kArgument, "reduction must be 0, 1 or 2");
  }
  const bool isNone = static_cast<Reduction>(reduction) == Reduction::None;
  node.expect(node.out(0), DType::F32, isNone ? shape : Shape{}, "loss");
}

void checkClassLoss(const NodeChecker& node, bool takesProbabilities) {
  const ValueSpec& logits = node.in(0);
  node.rank(logits, 2, "logits");
  node.expect(logits, DType::F32, logits.shape, "logits");
  const int64_t rows = logits.shape[0], classes = logits.shape[1];
  if (takesProbabilities && node.in(1).dtype == DType::F32) {
    node.expect(node.in(1), DType::F32, logits.shape, "targets");
  } else {
    node.expect(node.in(1), DType::I32, {rows}, "labels");
  }
  node.expect(node.in(2), DType::I32, {}, "count");
  if (node.inputs() == 4) node.expect(node.in(3), DType::F32, {classes}, "weight");
  node.attrs().integer("ignoreIndex");
  checkLossOutput(node, {rows});
  node.expect(node.out(1), DType::I32, {}, "correct");
  if (node.outputs() == 3) node.expect(node.out(2), DType::F32, logits.shape, "gradient");
}

}  // namespace

void checkSoftmaxCrossEntropy(const NodeChecker& node) {
  checkClassLoss(node, true);
  const double smoothing = node.attrs().number("labelSmoothing");
  if (!(smoothing >= 0 && smoothing <= 1)) {
    node.fail(errc::kArgument, "labelSmoothing must be from 0 to 1");
  }
}

void checkNllLoss(const NodeChecker& node) { checkClassLoss(node, false); }

void checkElementLoss(const NodeChecker& node) {
  const ValueSpec& x = node.in(0);
  node.expect(x, DType::F32, x.shape, "input");
  if (x.shape.empty()) node.fail(errc::kShape, "input must have at least 1 dimension");
  node.expect(node.in(1), DType::F32, x.shape, "target");
  node.expect(node.in(2), DType::I32, {}, "count");
  for (size_t i = 3; i < node.inputs(); ++i) {
    const ValueSpec& weight = node.in(i);
    node.expect(weight, DType::F32, weight.shape, "weight");
    RepeatedWeights repeated;
    if (!repeatsOver(weight.shape, x.shape, repeated)) {
      node.fail(errc::kShape, "weight must be of a shape that repeats over the examples " +
                                  shapeString(x.shape) + ", got " + shapeString(weight.shape));
    }
  }
  checkLossOutput(node, x.shape);
  if (node.outputs() == 2) node.expect(node.out(1), DType::F32, x.shape, "gradient");
}

void checkSmoothL1Loss(const NodeChecker& node) {
  checkElementLoss(node);
  if (!(node.attrs().number("beta") >= 0)) node.fail(errc::kArgument, "beta must be 0 or above");
}

}  // namespace neuronode
