// Weight gradients of convolutions by direct kernels of our own, as Kernels.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

bool fewChannelsFit(const KernelRequest& request);

// Only where fewChannelsFit().
std::unique_ptr<Kernel> makeFewChannelsWeightGrad(const KernelRequest& request);

bool blockedWeightGradFits(const KernelRequest& request);

// Only where blockedWeightGradFits().
std::unique_ptr<Kernel> makeBlockedWeightGrad(const KernelRequest& request);

// Only where depthwiseFits().
std::unique_ptr<Kernel> makeDepthwiseWeightGrad(const KernelRequest& request);

}  // namespace neuronode
