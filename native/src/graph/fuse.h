// Fusion: which neighbours become one kernel. Independent of the device.
#pragma once

#include <vector>

#include "backend.h"

namespace neuronode {

// conv2d/linear + ReLU, and ReLU's gradient into the gradient that feeds it (convolution, linear,
// max-pooling), where nothing else reads the value between the two.
std::vector<FusedNode> fuse(const GraphSpec& graph);

}  // namespace neuronode
