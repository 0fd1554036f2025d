#include "graph/fold.h"

#include <algorithm>
#include <utility>

namespace neuronode {

namespace {

class Folder {
 public:
  explicit Folder(const GraphSpec& graph)
      : graph_(graph), uses_(graph.values.size()), normaliser_(graph.values.size(), -1) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      for (int value : graph.nodes[i].inputs) ++uses_[value];
      if (graph.nodes[i].op != Op::BatchNormInference) continue;
      normaliser_[graph.nodes[i].inputs[0]] = static_cast<int>(i);
    }
    for (const OutputSpec& output : graph.outputs) ++uses_[output.value];
  }

  GraphSpec run() {
    std::vector<NodeSpec> nodes = std::move(graph_.nodes);
    graph_.nodes.clear();
    std::vector<bool> isFolded(nodes.size());
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (isFolded[i]) continue;
      const int found = nodes[i].op == Op::Conv2d ? normaliser_[nodes[i].outputs[0]] : -1;
      if (found >= 0 && uses_[nodes[i].outputs[0]] == 1 && readsPersistent(nodes[i]) &&
          readsPersistent(nodes[found])) {
        fold(nodes[i], nodes[found]);
        isFolded[found] = true;
      }
      graph_.nodes.push_back(std::move(nodes[i]));
    }
    return std::move(graph_);
  }

 private:
  // Whether all inputs but the first are.
  bool readsPersistent(const NodeSpec& node) const {
    return std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                       [&](int value) { return isPersistent(graph_.values[value]); });
  }

  int add(Op op, std::vector<int> inputs, Shape shape, Attrs attrs = {}) {
    const int value = static_cast<int>(graph_.values.size());
    graph_.values.push_back({ValueKind::Intermediate, DType::F32, std::move(shape), ""});
    graph_.nodes.push_back(
        {op, std::move(inputs), {value}, std::move(attrs), name_, Phase::Forward});
    return value;
  }

  // conv: x, weight, [bias]; norm: y, mean, variance, [weight, [bias]].
  void fold(NodeSpec& conv, const NodeSpec& norm) {
    name_ = norm.name;
    const Shape filters = graph_.values[conv.inputs[1]].shape;  // [K, C, R, S]
    const Shape channels{filters[0]};
    const int mean = norm.inputs[1], variance = norm.inputs[2];
    Attrs eps;
    eps.set("value", {norm.attrs.number("eps")});
    int scale = add(Op::Add, {variance, add(Op::Fill, {}, channels, std::move(eps))}, channels);
    scale = add(Op::Rsqrt, {scale}, channels);
    if (norm.inputs.size() > 3) scale = add(Op::Mul, {norm.inputs[3], scale}, channels);
    const int byFilter = add(Op::Reshape, {scale}, {filters[0], 1, 1, 1});
    const int weight = add(Op::Mul, {conv.inputs[1], byFilter}, filters);
    int shift = conv.inputs.size() > 2 ? add(Op::Sub, {conv.inputs[2], mean}, channels)
                                       : add(Op::Neg, {mean}, channels);
    shift = add(Op::Mul, {shift, scale}, channels);
    if (norm.inputs.size() > 4) shift = add(Op::Add, {shift, norm.inputs[4]}, channels);
    conv.inputs = {conv.inputs[0], weight, shift};
    conv.outputs = norm.outputs;
  }

  GraphSpec graph_;
  std::vector<int> uses_;
  std::vector<int> normaliser_;  // the batch normalisation that reads a value, or -1
  std::string name_;
};

}  // namespace

GraphSpec foldBatchNorm(const GraphSpec& graph) {
  const bool updates = std::ranges::any_of(
      graph.nodes, [](const NodeSpec& node) { return opInfo(node.op).updates != 0; });
  return updates ? graph : Folder(graph).run();
}

}  // namespace neuronode
