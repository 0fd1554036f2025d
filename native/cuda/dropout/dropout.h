// The launch of dropout.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"
#include "math/philox.h"

namespace neuronode::cuda {

struct DropoutKey {
  uint32_t seedLow, seedHigh, stream;
};
// x and y are laid out by `map`: element e of the plain order reads word e % 4 of counter e / 4.
// `step` is in device memory. Its gradient is the same function of gy.
void dropout(cudaStream_t stream, Floats x, Floats y, const IndexMap& map,
             const math::DropoutScalars& scalars, const DropoutKey& key, const int32_t* step);

}  // namespace neuronode::cuda
