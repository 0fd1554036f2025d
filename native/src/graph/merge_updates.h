// Optimizer steps: which of their inputs they update, and several of them in one kernel.
#pragma once

#include <vector>

#include "backend.h"

namespace neuronode {

inline bool isUpdate(Op op) { return op == Op::AdamStep || op == Op::SgdStep; }

// Makes one node of all steps with the same operation, attributes, step and learning rate, in the
// order of inputs that FusedNode::updates describes (steps that stay alone are put into it too).
// The node takes the place of its last step. Steps before a node that reads or updates what they
// update do not move behind it.
std::vector<FusedNode> mergeUpdates(const GraphSpec& graph, std::vector<FusedNode> nodes);

// Of an optimizer step after mergeUpdates(): the inputs from one parameter to the next.
int updateStride(const FusedNode& node);

// The inputs that an optimizer step updates in place. `merged`: after mergeUpdates().
std::vector<int> updatedInputs(const FusedNode& node, bool merged);

}  // namespace neuronode
