// Launches that move elements and compute nothing, and the sums that are their gradients: dense
// device memory in, dense device memory out, put on the stream.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"
#include "math/border.h"
#include "nest.h"

namespace neuronode::cuda {

// y[i] = value.
void fill(cudaStream_t stream, Floats y, int64_t count, float value);
// to = from along the nest, whose tensors are `to` and `from`.
void copy(cudaStream_t stream, Floats to, Floats from, const Nest<2>& nest);
// y: [outer, height + padding, width + padding, inner], each pixel being that of x: [outer, height,
// width, inner] which the border's rule names.
void extend(cudaStream_t stream, Floats x, Floats y, const math::Border& border);
// Its gradient: gx[pixel] = sum of gy over the pixels that are copies of it, in their order.
void extendGrad(cudaStream_t stream, Floats gy, Floats gx, const math::Border& border);

// Element `index` of dense floats, as floats of their own.
inline Floats from(Floats floats, int64_t index) {
  return {static_cast<char*>(floats.at) + index * static_cast<int64_t>(storageSize(floats.storage)),
          floats.storage};
}

}  // namespace neuronode::cuda
