// The weight gradient of a convolution over channel-blocked activations as a Kernel.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

bool blockedWeightGradFits(const KernelRequest& request);

// Only where blockedWeightGradFits().
std::unique_ptr<Kernel> makeBlockedWeightGrad(const KernelRequest& request);

}  // namespace neuronode
