// Launches of the kernels that work element by element: dense device memory in, dense device memory
// out, put on the stream. Arithmetic is that of native/src/math.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"

namespace neuronode::cuda {

void relu(cudaStream_t stream, Floats x, Floats y, int64_t count);
void reluGrad(cudaStream_t stream, Floats gy, Floats y, Floats gx, int64_t count);
void sigmoid(cudaStream_t stream, Floats x, Floats y, int64_t count);
void sigmoidGrad(cudaStream_t stream, Floats gy, Floats y, Floats gx, int64_t count);
void add(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count);

}  // namespace neuronode::cuda
