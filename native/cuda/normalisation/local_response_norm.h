// Launches of our kernels of local response normalisation.
#pragma once

#include <cuda_runtime_api.h>

#include "floats.h"
#include "math/local_response_norm.h"

namespace neuronode::cuda {

// Elements in either order: channels-last, where the next channel of a pixel lies one further
// (channelStep 1), or plain (channelStep pixels).
struct ResponseShape {
  int64_t count;
  int64_t channels, channelStep;
  LocalResponseNormOptions options;
};

void localResponseNorm(cudaStream_t stream, const ResponseShape& shape, Floats x, Floats y);
// `terms`: f32 memory for as many elements.
void localResponseNormGrad(cudaStream_t stream, const ResponseShape& shape, Floats gy, Floats x,
                           Floats gx, float* terms);

}  // namespace neuronode::cuda
