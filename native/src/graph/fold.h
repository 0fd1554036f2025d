// Folding: batch normalisation of given statistics into the convolution before it.
#pragma once

#include "graph/spec.h"

namespace neuronode {

// The graph, checked before, with every convolution whose output only a batchNormInference reads as
// one convolution: of the weight times each channel's scale, and with the shift as its bias. These
// are nodes of their own, which read nothing but parameters, so that a program runs them once for
// many runs (Program). Only where nothing in the graph updates parameters, and all of the two
// nodes' are parameters or buffers.
GraphSpec foldBatchNorm(const GraphSpec& graph);

}  // namespace neuronode
