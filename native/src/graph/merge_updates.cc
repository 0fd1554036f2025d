#include "graph/merge_updates.h"

#include <algorithm>
#include <set>
#include <utility>

namespace neuronode {

namespace {

constexpr int kScalars = 2;  // step and learning rate

// A step's inputs: tensors in the merged order, then step and learning rate.
struct Inputs {
  std::vector<int> tensors;
  int step, lr;
};

Inputs inputsOf(const NodeSpec& node) {
  const std::vector<int>& in = node.inputs;
  if (node.op == Op::AdamStep) return {{in[0], in[1], in[2], in[3]}, in[4], in[5]};
  Inputs inputs{{in[0], in[1]}, in[2], in[3]};
  if (in.size() == 5) inputs.tensors.push_back(in[4]);  // the momentum buffer
  return inputs;
}

class Merger {
 public:
  Merger(const GraphSpec& graph, std::vector<FusedNode> nodes)
      : graph_(graph), nodes_(std::move(nodes)), removed_(nodes_.size()) {}

  std::vector<FusedNode> run() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      closeReadBy(nodes_[i].spec);
      if (isUpdate(nodes_[i].spec.op)) join(i);
    }
    for (const Group& group : open_) close(group);
    std::vector<FusedNode> kept;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!removed_[i]) kept.push_back(std::move(nodes_[i]));
    }
    return kept;
  }

 private:
  struct Group {
    std::vector<size_t> members;
    std::set<int> persistent;  // what they read and update
  };

  void closeReadBy(const NodeSpec& node) {
    std::erase_if(open_, [&](const Group& group) {
      const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                     [&](int value) { return group.persistent.contains(value); });
      if (reads) close(group);
      return reads;
    });
  }

  bool belongTogether(const NodeSpec& a, const NodeSpec& b) const {
    const Inputs x = inputsOf(a), y = inputsOf(b);
    return a.op == b.op && x.tensors.size() == y.tensors.size() && x.step == y.step &&
           x.lr == y.lr && a.attrs == b.attrs;
  }

  void join(size_t i) {
    const NodeSpec& node = nodes_[i].spec;
    auto group = std::find_if(open_.begin(), open_.end(), [&](const Group& candidate) {
      return belongTogether(nodes_[candidate.members[0]].spec, node);
    });
    if (group == open_.end()) group = open_.insert(open_.end(), Group());
    group->members.push_back(i);
    for (int value : node.inputs) {
      if (isPersistent(graph_.values[value])) group->persistent.insert(value);
    }
  }

  void close(const Group& group) {
    const NodeSpec& first = nodes_[group.members[0]].spec;
    const Inputs scalars = inputsOf(first);
    FusedNode merged{.spec = first, .updates = static_cast<int>(group.members.size())};
    merged.spec.inputs.clear();
    if (group.members.size() > 1) merged.spec.name.clear();  // it serves no single module
    for (size_t member : group.members) {
      const std::vector<int> tensors = inputsOf(nodes_[member].spec).tensors;
      merged.spec.inputs.insert(merged.spec.inputs.end(), tensors.begin(), tensors.end());
      removed_[member] = true;
    }
    merged.spec.inputs.push_back(scalars.step);
    merged.spec.inputs.push_back(scalars.lr);
    const size_t last = group.members.back();
    nodes_[last] = std::move(merged);
    removed_[last] = false;
  }

  const GraphSpec& graph_;
  std::vector<FusedNode> nodes_;
  std::vector<bool> removed_;
  std::vector<Group> open_;
};

}  // namespace

std::vector<FusedNode> mergeUpdates(const GraphSpec& graph, std::vector<FusedNode> nodes) {
  return Merger(graph, std::move(nodes)).run();
}

int updateStride(const FusedNode& node) {
  return (static_cast<int>(node.spec.inputs.size()) - kScalars) / node.updates;
}

std::vector<int> updatedInputs(const FusedNode& node, bool merged) {
  const bool hasBufferLast = !merged && node.spec.op == Op::SgdStep && node.spec.inputs.size() == 5;
  if (hasBufferLast) return {0, 4};
  const int stride = updateStride(node);
  std::vector<int> updated;
  for (int i = 0; i < stride * node.updates; ++i) {
    constexpr int kGradient = 1;
    if (i % stride != kGradient) updated.push_back(i);
  }
  return updated;
}

}  // namespace neuronode
