// Depthwise convolution and its gradients by our kernels, as Kernels.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

bool depthwiseFits(const KernelRequest& request);

// Only where depthwiseFits().
std::unique_ptr<Kernel> makeDepthwiseConvolution(const KernelRequest& request);

}  // namespace neuronode
