#include "graph/input_rules.h"

#include "error.h"

namespace neuronode {

InputRules::InputRules(const GraphSpec& graph) {
  const auto nameOf = [&](int value) {
    const ValueSpec& spec = graph.values[static_cast<size_t>(value)];
    return spec.kind == ValueKind::Input ? spec.name : std::string();
  };
  for (const NodeSpec& node : graph.nodes) {
    const OpInfo& info = opInfo(node.op);
    const auto name = [&](int input) {
      return input == OpInfo::kNone ? std::string() : nameOf(node.inputs[input]);
    };
    if (info.count != OpInfo::kNone) {
      const auto valueOf = [&](int input) -> const ValueSpec& {
        return graph.values[static_cast<size_t>(node.inputs[static_cast<size_t>(input)])];
      };
      const Shape& scores = valueOf(0).shape;
      Loss loss{.labels = "", .count = name(info.count), .rows = scores[0]};
      if (info.labels != OpInfo::kNone && valueOf(info.labels).dtype == DType::I32) {
        loss.labels = name(info.labels);
        loss.classes = scores[1];
        loss.ignored = node.attrs.integer("ignoreIndex");
      }
      losses_.push_back(std::move(loss));
    }
    if (info.shared > 0) {
      const std::string step = nameOf(node.inputs[node.inputs.size() - info.shared]);
      const bool known = !steps_.empty() && steps_.back().name == step;
      if (!step.empty() && !known) steps_.push_back({step});
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
      if (labels[row] == loss.ignored) continue;
      throw Error(errc::kArgument, "label " + std::to_string(labels[row]) + " in row " +
                                       std::to_string(row) + " is outside 0 to " +
                                       std::to_string(loss.classes - 1));
    }
  }
}

}  // namespace neuronode
