// What makes an operation safe to run: what the rules of graph/checks are written with, and the
// check that picks a node's rule from the table.
#pragma once

#include <string>

#include "graph/spec.h"

namespace neuronode {

// One node whose counts of inputs and outputs fit, as its operation's rule sees it. What throws
// names the node and the operation.
class NodeChecker {
 public:
  NodeChecker(const GraphSpec& graph, const NodeSpec& node) : graph_(graph), node_(node) {}

  size_t inputs() const { return node_.inputs.size(); }
  size_t outputs() const { return node_.outputs.size(); }
  const ValueSpec& in(size_t i) const { return graph_.values[node_.inputs[i]]; }
  const ValueSpec& out(size_t i) const { return graph_.values[node_.outputs[i]]; }
  const NodeSpec& spec() const { return node_; }
  Op op() const { return node_.op; }
  const Attrs& attrs() const { return node_.attrs; }

  [[noreturn]] void fail(const char* code, const std::string& message) const;
  void rank(const ValueSpec& value, size_t wanted, const char* what) const;
  void expect(const ValueSpec& value, DType dtype, const Shape& shape, const char* what) const;
  // A pair of integers from `least` to 2^20.
  Attrs::Pair positive(const char* name, int64_t least) const;
  // An integer from `least` to `most` for each of `count` axes.
  std::vector<int64_t> integers(const char* name, size_t count, int64_t least, int64_t most) const;

 private:
  const GraphSpec& graph_;
  const NodeSpec& node_;
};

// The rules, one for each row of the table.
#define NN_ROW(Op, name, family, check, ...) void check(const NodeChecker& node);
#define NN_OTHER_ROW(...)
NN_OPERATIONS(NN_ROW, NN_OTHER_ROW, NN_OTHER_ROW, NN_OTHER_ROW)
#undef NN_ROW
#undef NN_OTHER_ROW
void checkActivation(const NodeChecker& node);
void checkActivationGrad(const NodeChecker& node);
void checkArithmetic(const NodeChecker& node);
void checkOptimizerStep(const NodeChecker& node);

// Counts of inputs and outputs, element types, shapes, attributes. The node's indices are those of
// values. Throws ERR_NN_SHAPE, ERR_NN_DTYPE or ERR_NN_ARGUMENT.
void checkNode(const GraphSpec& graph, const NodeSpec& node);

}  // namespace neuronode
