// Convolution and its gradients by our Winograd kernels.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

enum class WinogradFit { No, Possible, Promising };
// Whether there is a Winograd kernel for the request, and whether it is worth timing.
WinogradFit winogradFit(const KernelRequest& request);

// Only where winogradFit is not No.
std::unique_ptr<Kernel> makeWinogradConvolution(const KernelRequest& request);

}  // namespace neuronode
