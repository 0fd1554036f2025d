#include <cmath>

#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

namespace {

// Images of any size from images, the same in number and channels.
void checkImages(const NodeChecker& node, const ValueSpec& x, const ValueSpec& y) {
  node.rank(x, 4, "images");
  node.rank(y, 4, "resampled images");
  node.expect(x, DType::F32, x.shape, "images");
  node.expect(y, DType::F32, {x.shape[0], x.shape[1], y.shape[2], y.shape[3]}, "resampled images");
  node.attrs().flag("bilinear");
  node.attrs().flag("alignCorners");
  for (const double scale : node.attrs().list("scales", 2)) {
    if (!(scale >= 0 && std::isfinite(scale))) {
      node.fail(errc::kArgument, "scales must be numbers of at least 0");
    }
  }
  // Indices of taps, two to a place, are of 32 bits.
  constexpr int64_t kMost = int64_t{1} << 24;
  for (const size_t axis : {2, 3}) {
    if (x.shape[axis] > kMost || y.shape[axis] > kMost) {
      node.fail(errc::kShape,
                "images must have at most " + std::to_string(kMost) + " rows and columns");
    }
  }
}

}  // namespace

void checkInterpolate(const NodeChecker& node) { checkImages(node, node.in(0), node.out(0)); }

void checkInterpolateGrad(const NodeChecker& node) { checkImages(node, node.out(0), node.in(0)); }

}  // namespace neuronode
