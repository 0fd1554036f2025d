// Convolution on the host, by columns and products: what emulated plans compute.
#pragma once

#include "convolution/plan.h"

namespace neuronode::cuda::emulation {

// Overwrites the result. Operands are rounded as the problem's precision has them, sums are f32 or
// better, and stored as the result is.
void convolve(const ConvProblem& problem, const ConvPointers& pointers);

// Elements of each tensor.
int64_t xCount(const ConvProblem& problem);
int64_t filterCount(const ConvProblem& problem);
int64_t yCount(const ConvProblem& problem);

}  // namespace neuronode::cuda::emulation
