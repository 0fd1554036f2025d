// Fusion: which neighbours become one kernel. Independent of the device.
#pragma once

#include <vector>

#include "backend.h"

namespace neuronode {

// Where nothing else reads the value between the two:
// - conv2d, linear, batch normalisation or add + ReLU, and the latter two + ReLU6;
// - batch normalisation + add of a tensor that is there by then, [+ ReLU or ReLU6];
// - ReLU's gradient into what feeds it: the gradient of convolution, linear or max-pooling, and
//   add, which takes ReLU6's as well; else into the gradient of batch normalisation that reads it,
//   which reads x alone for it where the device recomputes masks and nothing was added to y.
// With PoolingKernel::Library gradients of max-pooling read the pool's input and output as well,
// where those are in the graph.
std::vector<FusedNode> fuse(const GraphSpec& graph, PoolingKernel pooling = PoolingKernel::Own,
                            bool recomputesMasks = false);

}  // namespace neuronode
