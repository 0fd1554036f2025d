// The adapter of group normalisation.
#pragma once

#include "kernel_request.h"

namespace neuronode::cuda {

std::unique_ptr<Kernel> makeGroupNorm(const KernelRequest& request);
Layout preferredByGroupNorm(const KernelRequest& request, size_t input);

}  // namespace neuronode::cuda
