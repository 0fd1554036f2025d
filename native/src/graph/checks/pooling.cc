#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

namespace {

void checkAxis(const NodeChecker& node, int64_t in, int64_t out, int64_t kernel, int64_t stride,
               int64_t padding, int64_t dilation) {
  const int64_t span = in + 2 * padding - dilation * (kernel - 1) - 1;
  const int64_t floored = span / stride + 1;
  const bool fits = span >= 0 && (out == floored || (out == floored + 1 && span % stride != 0 &&
                                                     (out - 1) * stride < in + padding));
  // With ceil mode the input may be smaller than the kernel as long as a window starts inside.
  const bool ceiled = span < 0 && out == 1 && span + stride > 0;
  if (!fits && !ceiled) {
    node.fail(errc::kShape, "output size " + std::to_string(out) + " does not follow from input " +
                                std::to_string(in));
  }
}

// Every window must start inside the input or the padding before it.
void checkWindow(const NodeChecker& node, const ValueSpec& x, const ValueSpec& y, bool dilated) {
  node.rank(x, 4, "input");
  node.rank(y, 4, "output");
  node.expect(x, DType::F32, x.shape, "input");
  const Attrs::Pair kernel = node.positive("kernelSize", 1);
  const Attrs::Pair stride = node.positive("stride", 1);
  const Attrs::Pair padding = node.positive("padding", 0);
  const Attrs::Pair dilation = dilated ? node.positive("dilation", 1) : Attrs::Pair{1, 1};
  if (!dilated) node.attrs().flag("countIncludePad");
  // As PyTorch: half the kernel, however far dilation spreads it.
  if (padding.h > kernel.h / 2 || padding.w > kernel.w / 2) {
    node.fail(errc::kShape, "padding must be at most half of the kernel size");
  }
  node.expect(y, DType::F32, {x.shape[0], x.shape[1], y.shape[2], y.shape[3]}, "output");
  checkAxis(node, x.shape[2], y.shape[2], kernel.h, stride.h, padding.h, dilation.h);
  checkAxis(node, x.shape[3], y.shape[3], kernel.w, stride.w, padding.w, dilation.w);
}

void checkIndices(const NodeChecker& node, const ValueSpec& indices, const Shape& shape) {
  const Attrs::Pair kernel = node.attrs().pair("kernelSize");
  const DType wanted = kernel.h * kernel.w <= 256 ? DType::U8 : DType::I32;
  node.expect(indices, wanted, shape, "indices");
}

void checkAdaptive(const NodeChecker& node, const ValueSpec& x, const ValueSpec& y) {
  node.rank(x, 4, "input");
  node.rank(y, 4, "output");
  node.expect(x, DType::F32, x.shape, "input");
  node.expect(y, DType::F32, {x.shape[0], x.shape[1], y.shape[2], y.shape[3]}, "output");
}

}  // namespace

void checkMaxPool2d(const NodeChecker& node) {
  checkWindow(node, node.in(0), node.out(0), true);
  if (node.outputs() == 2) checkIndices(node, node.out(1), node.out(0).shape);
}

void checkMaxPool2dGrad(const NodeChecker& node) {
  checkWindow(node, node.out(0), node.in(0), true);
  checkIndices(node, node.in(1), node.in(0).shape);
}

void checkAvgPool2d(const NodeChecker& node) { checkWindow(node, node.in(0), node.out(0), false); }

void checkAvgPool2dGrad(const NodeChecker& node) {
  checkWindow(node, node.out(0), node.in(0), false);
}

void checkAdaptiveAvgPool2d(const NodeChecker& node) {
  checkAdaptive(node, node.in(0), node.out(0));
}

void checkAdaptiveAvgPool2dGrad(const NodeChecker& node) {
  checkAdaptive(node, node.out(0), node.in(0));
}

}  // namespace neuronode
