#include <cmath>
#include <limits>

#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

void checkDropout(const NodeChecker& node) {
  const Shape& shape = node.out(0).shape;
  node.expect(node.in(0), DType::F32, shape, "input");
  node.expect(node.in(1), DType::I32, {}, "step");
  node.expect(node.out(0), DType::F32, shape, "output");
  const double p = node.attrs().number("p");
  if (!(p >= 0 && p <= 1)) node.fail(errc::kArgument, "p must be between 0 and 1");
  const auto isWord = [](double value) {
    return value >= 0 && value <= std::numeric_limits<uint32_t>::max() &&
           value == std::floor(value);
  };
  const std::vector<double>& seed = node.attrs().list("seed", 2);
  if (!isWord(seed[0]) || !isWord(seed[1]) || !isWord(node.attrs().number("stream"))) {
    node.fail(errc::kArgument, "seed and stream must be 32-bit words");
  }
}

}  // namespace neuronode
