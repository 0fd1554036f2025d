// Convolution and its input gradient by matrix products as a Kernel.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

// Not for weight gradients.
std::unique_ptr<Kernel> makeGemmConvolution(const KernelRequest& request);

}  // namespace neuronode
