// Launches for convolution by matrix product, where the library has no plan.
#pragma once

#include <cuda_runtime_api.h>

#include "convolution/plan.h"
#include "floats.h"

namespace neuronode::cuda {

// x of one group [n, h, w, c] -> columns [n * oh * ow, r * s * (c / groups)], zero where padded.
// Images [firstImage, firstImage + images) only.
void im2col(cudaStream_t stream, const ConvProblem& problem, int64_t group, int64_t firstImage,
            int64_t images, Floats x, float* columns);
// The adjoint: each element of x of the group gathers what windows hold of it, in a fixed order.
void col2im(cudaStream_t stream, const ConvProblem& problem, int64_t group, int64_t firstImage,
            int64_t images, const float* columns, Floats x);

}  // namespace neuronode::cuda
