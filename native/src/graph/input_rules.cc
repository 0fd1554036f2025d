#include "graph/input_rules.h"

#include <utility>

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
    if (info.count != OpInfo::kNone && !name(info.count).empty()) {
      const Shape& shape = graph.values[static_cast<size_t>(node.inputs[0])].shape;
      Count count{name(info.count), 0, shape[0], ""};
      if (info.leastValues > 0) {
        const int64_t ofRow = elementCount(shape) / (shape[0] * shape[1]);
        count.least = (info.leastValues + ofRow - 1) / ofRow;
        count.why = ": " + node.name + (node.name.empty() ? "" : ": ") + opName(node.op) +
                    " expects more than " + std::to_string(info.leastValues - 1) +
                    " value of each channel in training, and a row has " + std::to_string(ofRow);
      }
      counts_.push_back(std::move(count));
    }
    // Labels may also be probabilities, which are f32.
    if (info.labels != OpInfo::kNone && !name(info.labels).empty() &&
        graph.values[static_cast<size_t>(node.inputs[static_cast<size_t>(info.labels)])].dtype ==
            DType::I32) {
      const Shape& scores = graph.values[static_cast<size_t>(node.inputs[0])].shape;
      labels_.push_back({name(info.labels), name(info.count), scores[0], scores[1],
                         node.attrs.integer("ignoreIndex")});
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
  for (const Count& count : counts_) {
    const int32_t rows = *wordsOf(count.name);
    if (rows >= count.least && rows <= count.most) continue;
    throw Error(errc::kArgument, "count must be between " + std::to_string(count.least) + " and " +
                                     std::to_string(count.most) + ", got " + std::to_string(rows) +
                                     count.why);
  }
  for (const Labels& each : labels_) {
    const int64_t rows = each.count.empty() ? each.rows : *wordsOf(each.count);
    const int32_t* labels = wordsOf(each.name);
    for (int64_t row = 0; row < rows; ++row) {
      if (labels[row] >= 0 && labels[row] < each.classes) continue;
      if (labels[row] == each.ignored) continue;
      throw Error(errc::kArgument, "label " + std::to_string(labels[row]) + " in row " +
                                       std::to_string(row) + " is outside 0 to " +
                                       std::to_string(each.classes - 1));
    }
  }
}

}  // namespace neuronode
