// Launches that take a tensor from one layout and storage to another.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"

namespace neuronode::cuda {

// From one layout and storage to another; padding is written as zero.
void reorderFloats(cudaStream_t stream, Floats from, const IndexMap& fromMap, Floats to,
                   const IndexMap& toMap);
// The same of single bytes and 32-bit words (pooling indices).
void reorderBytes(cudaStream_t stream, const uint8_t* from, const IndexMap& fromMap, uint8_t* to,
                  const IndexMap& toMap);
void reorderWords(cudaStream_t stream, const int32_t* from, const IndexMap& fromMap, int32_t* to,
                  const IndexMap& toMap);
// Zeroes what `map` calls padding (the extra taps of a filter's gradient).
void zeroPadding(cudaStream_t stream, Floats x, const IndexMap& map);

}  // namespace neuronode::cuda
