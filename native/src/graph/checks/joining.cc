#include <cmath>
#include <limits>

#include "error.h"
#include "graph/check_node.h"
#include "math/border.h"

namespace neuronode {

namespace {

constexpr int64_t kMostPadding = 1 << 20;

void checkNumber(const NodeChecker& node, const char* name) {
  if (!std::isfinite(node.attrs().number(name))) {
    node.fail(errc::kArgument, std::string(name) + " must be a number");
  }
}

// x, and y with padding around it.
void checkPadding(const NodeChecker& node, const ValueSpec& x, const ValueSpec& y) {
  node.expect(x, DType::F32, x.shape, "input");
  node.expect(y, DType::F32, y.shape, "output");
  const size_t rank = x.shape.size();
  const auto before = node.integers("before", rank, 0, kMostPadding);
  const auto after = node.integers("after", rank, 0, kMostPadding);
  const auto mode = node.integers("mode", 1, 0, 3)[0];
  checkNumber(node, "value");
  if (mode != static_cast<int64_t>(math::BorderMode::Constant) && rank < 2) {
    node.fail(errc::kShape, "input must have at least 2 dimensions, got " + shapeString(x.shape));
  }
  Shape shape = x.shape;
  for (size_t axis = 0; axis < rank; ++axis) {
    const int64_t size = shape[axis], most = std::max(before[axis], after[axis]);
    shape[axis] += before[axis] + after[axis];
    if (most == 0 || mode == static_cast<int64_t>(math::BorderMode::Constant)) continue;
    if (axis + 2 < rank) {
      node.fail(errc::kShape, "only the last two axes can be extended by what they hold");
    }
    const bool reflects = mode == static_cast<int64_t>(math::BorderMode::Reflect);
    const bool repeats = mode == static_cast<int64_t>(math::BorderMode::Circular);
    if ((reflects && most >= size) || (repeats && most > size)) {
      node.fail(errc::kShape, "padding " + std::to_string(most) + " is more than an axis of " +
                                  std::to_string(size) + " can be extended by");
    }
  }
  node.expect(y, DType::F32, shape, "output");
}

}  // namespace

void checkFill(const NodeChecker& node) {
  node.expect(node.out(0), DType::F32, node.out(0).shape, "output");
  checkNumber(node, "value");
}

void checkExpand(const NodeChecker& node) {
  const ValueSpec &x = node.in(0), &y = node.out(0);
  node.rank(y, x.shape.size(), "output");
  Shape shape = y.shape;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (x.shape[axis] == 1) shape[axis] = 1;
  }
  node.expect(x, DType::F32, shape, "input");
  node.expect(y, DType::F32, y.shape, "output");
}

void checkConcat(const NodeChecker& node) {
  Shape shape = node.in(0).shape;
  node.expect(node.in(0), DType::F32, shape, "input");
  if (shape.empty()) node.fail(errc::kShape, "a scalar has no axis to join along");
  const auto last = static_cast<int64_t>(shape.size()) - 1;
  const auto axis = static_cast<size_t>(node.integers("axis", 1, 0, last)[0]);
  shape[axis] = 0;
  for (size_t i = 0; i < node.inputs(); ++i) {
    const ValueSpec& x = node.in(i);
    node.rank(x, shape.size(), "input");
    Shape wanted = shape;
    wanted[axis] = x.shape[axis];
    node.expect(x, DType::F32, wanted, "input");
    shape[axis] += x.shape[axis];
  }
  node.expect(node.out(0), DType::F32, shape, "output");
}

void checkSlice(const NodeChecker& node) {
  const ValueSpec &x = node.in(0), &y = node.out(0);
  node.expect(x, DType::F32, x.shape, "input");
  node.rank(y, x.shape.size(), "output");
  node.expect(y, DType::F32, y.shape, "output");
  const auto starts =
      node.integers("starts", x.shape.size(), 0, std::numeric_limits<int32_t>::max());
  for (size_t axis = 0; axis < starts.size(); ++axis) {
    if (starts[axis] + y.shape[axis] > x.shape[axis]) {
      node.fail(errc::kShape, "a box " + shapeString(y.shape) + " is not inside of input " +
                                  shapeString(x.shape));
    }
  }
}

void checkPad(const NodeChecker& node) { checkPadding(node, node.in(0), node.out(0)); }

void checkPadGrad(const NodeChecker& node) {
  checkPadding(node, node.out(0), node.in(0));
  if (!node.attrs().flag("mode")) {
    node.fail(errc::kArgument, "the gradient of constant padding is a slice");
  }
}

}  // namespace neuronode
