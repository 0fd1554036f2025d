#include "graph/input_rules.h"

#include "error.h"

namespace neuronode {

InputRules::InputRules(const GraphSpec& graph) {
  const auto nameOf = [&](int value) {
    const ValueSpec& spec = graph.values[static_cast<size_t>(value)];
    return spec.kind == ValueKind::Input ? spec.name : std::string();
  };
  for (const NodeSpec& node : graph.nodes) {
    if (node.op == Op::SoftmaxCrossEntropy) {
      const Shape& logits = graph.values[static_cast<size_t>(node.inputs[0])].shape;
      losses_.push_back({nameOf(node.inputs[1]), nameOf(node.inputs[2]), logits[0], logits[1]});
    }
    if (node.op == Op::AdamStep || node.op == Op::SgdStep) {
      const std::string name = nameOf(node.inputs[node.op == Op::AdamStep ? 4 : 2]);
      const bool known = !steps_.empty() && steps_.back().name == name;
      if (!name.empty() && !known) steps_.push_back({name});
    }
  }
}

void InputRules::check(const std::function<const void*(const std::string& name)>& find) const {
  const auto wordsOf = [&](const std::string& name) {
    return static_cast<const int32_t*>(find(name));
  };
  for (const Step& step : steps_) {
    const int32_t number = *wordsOf(step.name);
    if (number < 1) {
      throw Error(errc::kArgument, "step must be at least 1, got " + std::to_string(number));
    }
  }
  for (const Loss& loss : losses_) {
    int64_t rows = loss.rows;
    if (!loss.count.empty()) {
      rows = *wordsOf(loss.count);
      if (rows < 0 || rows > loss.rows) {
        throw Error(errc::kArgument, "count must be between 0 and " + std::to_string(loss.rows) +
                                         ", got " + std::to_string(rows));
      }
    }
    if (loss.labels.empty()) continue;
    const int32_t* labels = wordsOf(loss.labels);
    for (int64_t row = 0; row < rows; ++row) {
      if (labels[row] >= 0 && labels[row] < loss.classes) continue;
      throw Error(errc::kArgument, "label " + std::to_string(labels[row]) + " in row " +
                                       std::to_string(row) + " is outside 0 to " +
                                       std::to_string(loss.classes - 1));
    }
  }
}

}  // namespace neuronode
