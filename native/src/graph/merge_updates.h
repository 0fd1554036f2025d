// Which of its inputs a node updates, and several optimizer steps in one kernel.
#pragma once

#include <vector>

#include "backend.h"

namespace neuronode {

// Whether several nodes of the operation can be one: those of optimizer steps.
inline bool isMergeable(Op op) { return opInfo(op).shared > 0; }

// Makes one node of all steps with the same operation, attributes, step and learning rate, in the
// order of inputs that FusedNode::updates describes.
// The node takes the place of its last step. Steps before a node that reads or updates what they
// update do not move behind it.
std::vector<FusedNode> mergeUpdates(const GraphSpec& graph, std::vector<FusedNode> nodes);

// The inputs from one parameter of a merged step to the next.
int updateStride(const FusedNode& node);

// The inputs that a node updates in place.
std::vector<int> updatedInputs(const FusedNode& node);

}  // namespace neuronode
