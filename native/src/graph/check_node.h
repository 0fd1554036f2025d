// What makes each operation safe to run. Each operation's rule stands here, in one place.
#pragma once

#include "graph/spec.h"

namespace neuronode {

// Counts of inputs and outputs, element types, shapes, attributes. The node's indices are those of
// values. Throws ERR_NN_SHAPE, ERR_NN_DTYPE or ERR_NN_ARGUMENT.
void checkNode(const GraphSpec& graph, const NodeSpec& node);

}  // namespace neuronode
