#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

void checkToFloat(const NodeChecker& node) {
  const ValueSpec& x = node.in(0);
  node.rank(x, 4, "input");
  node.expect(x, DType::U8, x.shape, "input");
  node.expect(node.out(0), DType::F32, x.shape, "output");
  const auto channels = static_cast<size_t>(x.shape[1]);
  node.attrs().list("mean", channels);
  for (double std : node.attrs().list("std", channels)) {
    if (!(std != 0)) node.fail(errc::kArgument, "std must not be zero");
  }
}

}  // namespace neuronode
