// The weight gradient of a convolution of few channels as a Kernel.
#pragma once

#include "cpu/kernels.h"

namespace neuronode {

bool fewChannelsFit(const KernelRequest& request);

// Only where fewChannelsFit().
std::unique_ptr<Kernel> makeFewChannelsConvolution(const KernelRequest& request);

}  // namespace neuronode
