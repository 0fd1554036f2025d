// The launch of sums over axes: dense device memory in, dense f32 out, put on the stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"
#include "nest.h"

namespace neuronode::cuda {

// y[k] = sum of x over nest.reduced, for each k of nest.kept, divided by `divisor`. `partial`:
// [slices, kept], slices = sumSlices(nest). Sums are of f64, in an order that depends on the shape
// alone.
void sumOver(cudaStream_t stream, Floats x, Floats y, double* partial, const SumNest& nest,
             double divisor);

}  // namespace neuronode::cuda
