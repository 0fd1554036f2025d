#include "graph/check_node.h"

#include <cmath>

#include "error.h"

namespace neuronode {

void NodeChecker::fail(const char* code, const std::string& message) const {
  const std::string where = node_.name.empty() ? "" : node_.name + ": ";
  throw Error(code, where + opName(node_.op) + ": " + message);
}

void NodeChecker::rank(const ValueSpec& value, size_t wanted, const char* what) const {
  if (value.shape.size() != wanted) {
    fail(errc::kShape, std::string(what) + " must have " + std::to_string(wanted) +
                           " dimensions, got " + shapeString(value.shape));
  }
}

void NodeChecker::expect(const ValueSpec& value, DType dtype, const Shape& shape,
                         const char* what) const {
  if (value.dtype != dtype) {
    fail(errc::kDType,
         std::string(what) + " must be " + dtypeName(dtype) + ", got " + dtypeName(value.dtype));
  }
  if (value.shape != shape) {
    fail(errc::kShape, std::string(what) + " must be " + shapeString(shape) + ", got " +
                           shapeString(value.shape));
  }
}

Attrs::Pair NodeChecker::positive(const char* name, int64_t least) const {
  const Attrs::Pair pair = node_.attrs.pair(name);
  constexpr int64_t kMost = 1 << 20;
  if (pair.h < least || pair.w < least || pair.h > kMost || pair.w > kMost) {
    fail(errc::kArgument, std::string(name) + " must be from " + std::to_string(least) + " to " +
                              std::to_string(kMost));
  }
  return pair;
}

std::vector<int64_t> NodeChecker::integers(const char* name, size_t count, int64_t least,
                                           int64_t most) const {
  std::vector<int64_t> values;
  for (const double value : node_.attrs.list(name, count)) {
    if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most) &&
          value == std::floor(value))) {
      fail(errc::kArgument, std::string(name) + " must be integers from " + std::to_string(least) +
                                " to " + std::to_string(most));
    }
    values.push_back(static_cast<int64_t>(value));
  }
  return values;
}

void checkNode(const GraphSpec& graph, const NodeSpec& node) {
  const OpInfo& info = opInfo(node.op);
  const NodeChecker checker(graph, node);
  const auto fits = [](size_t count, OpInfo::Count wanted) {
    return count >= wanted.least && count <= wanted.most;
  };
  if (!fits(node.inputs.size(), info.inputs) || !fits(node.outputs.size(), info.outputs)) {
    checker.fail(errc::kArgument, "wrong number of inputs or outputs");
  }
  info.check(checker);
  if (info.updates == 0) return;
  for (size_t i = 0; i < node.inputs.size() - info.shared; ++i) {
    if ((info.updates >> i & 1) != 0 && !isPersistent(checker.in(i))) {
      checker.fail(errc::kArgument, "only parameters and state can be updated in place");
    }
  }
}

}  // namespace neuronode
