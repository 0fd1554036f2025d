// The launch of the conversion of bytes to floats.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"

namespace neuronode::cuda {

// Bytes to floats: (byte / 255 - mean[c]) / std[c], in any layout; padding is zero. Rounded as the
// CPU kernel rounds.
inline constexpr int kMostToFloatChannels = 64;
struct ToFloatScalars {
  int channels = 1;
  float mean[kMostToFloatChannels];
  float std[kMostToFloatChannels];
};
// x: [N, C, H, W] plain bytes; pixels = H * W.
void toFloat(cudaStream_t stream, const uint8_t* x, Floats y, const IndexMap& map, int64_t pixels,
             const ToFloatScalars& scalars);

}  // namespace neuronode::cuda
