// Convolution and its gradients by matrix products as a Kernel.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

std::unique_ptr<Kernel> makeGemmConvolution(const KernelRequest& request);

}  // namespace neuronode
