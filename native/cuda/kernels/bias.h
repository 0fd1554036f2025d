// Launches for biases, which convolutions and linear layers share.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"

namespace neuronode::cuda {

// gy: [rows, columns], row by row `pitch` apart -> gb[column] = sum over rows, f32, in a fixed
// order. `partial` holds biasGradWorkspace floats.
int64_t biasGradWorkspace(int64_t rows, int64_t columns);
void biasGrad(cudaStream_t stream, Floats gy, int64_t rows, int64_t columns, int64_t pitch,
              float* gb, float* partial);
// y[row, column] += bias[column], then ReLU if asked for: what a library's epilogue cannot do.
void addBias(cudaStream_t stream, Floats y, const float* bias, int64_t rows, int64_t columns,
             int64_t pitch, bool relu);

}  // namespace neuronode::cuda
