// Fusion: which neighbours become one kernel. Independent of the device.
#pragma once

#include <vector>

#include "backend.h"

namespace neuronode {

// conv2d/linear + ReLU, and ReLU's gradient into the gradient that feeds it (convolution, linear,
// max-pooling), where nothing else reads the value between the two. With PoolingKernel::Library
// gradients of max-pooling read the pool's input and output as well, where those are in the graph.
std::vector<FusedNode> fuse(const GraphSpec& graph, PoolingKernel pooling = PoolingKernel::Own);

}  // namespace neuronode
