// Convolution and its gradients by oneDNN's direct algorithm, or by what gives the same bits on any
// number of threads where that does not.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

std::unique_ptr<Kernel> makeDirectConvolution(const KernelRequest& request);

// Whether oneDNN has a kernel of its own for the request, which is depthwise.
bool directHasDepthwise(const KernelRequest& request);

}  // namespace neuronode
