// Convolution and its gradients by oneDNN's direct algorithm.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

std::unique_ptr<Kernel> makeDirectConvolution(const KernelRequest& request);

}  // namespace neuronode
