// The adapter of batch normalisation.
#pragma once

#include "kernel_request.h"

namespace neuronode::cuda {

std::unique_ptr<Kernel> makeBatchNorm(const KernelRequest& request);
Layout preferredByBatchNorm(const KernelRequest& request, size_t input);

}  // namespace neuronode::cuda
