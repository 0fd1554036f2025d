#include "graph/merge_updates.h"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

namespace neuronode {

namespace {

class Merger {
 public:
  Merger(const GraphSpec& graph, std::vector<FusedNode> nodes)
      : graph_(graph), nodes_(std::move(nodes)), removed_(nodes_.size()) {}

  std::vector<FusedNode> run() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      closeReadBy(nodes_[i].spec);
      if (isMergeable(nodes_[i].spec.op)) join(i);
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

  // How many of a step's inputs come before the scalars.
  static size_t tensors(const NodeSpec& step) {
    return step.inputs.size() - opInfo(step.op).shared;
  }

  static bool belongTogether(const NodeSpec& a, const NodeSpec& b) {
    const auto scalars = [](const NodeSpec& step) {
      return std::span(step.inputs).subspan(tensors(step));
    };
    return a.op == b.op && tensors(a) == tensors(b) && a.attrs == b.attrs &&
           std::ranges::equal(scalars(a), scalars(b));
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
    FusedNode merged{.spec = first, .updates = static_cast<int>(group.members.size())};
    std::vector<int>& inputs = merged.spec.inputs;
    inputs.clear();
    if (group.members.size() > 1) merged.spec.name.clear();  // it serves no single module
    for (size_t member : group.members) {
      const NodeSpec& step = nodes_[member].spec;
      inputs.insert(inputs.end(), step.inputs.begin(), step.inputs.begin() + tensors(step));
      removed_[member] = true;
    }
    inputs.insert(inputs.end(), first.inputs.begin() + tensors(first), first.inputs.end());
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
  const size_t tensors = node.spec.inputs.size() - opInfo(node.spec.op).shared;
  return static_cast<int>(tensors) / node.updates;
}

std::vector<int> updatedInputs(const FusedNode& node) {
  const InputSet updates = opInfo(node.spec.op).updates;
  const int stride = updateStride(node);
  std::vector<int> updated;
  for (int i = 0; i < stride * node.updates; ++i) {
    if ((updates >> (i % stride) & 1) != 0) updated.push_back(i);
  }
  return updated;
}

}  // namespace neuronode
