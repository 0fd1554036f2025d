// The launch of resampling, channels-last: x [n, h, w, c], y [n, oh, ow, c].
#pragma once

#include <cuda_runtime_api.h>

#include "floats.h"

namespace neuronode::cuda {

// AxisTaps in device memory.
struct DeviceTaps {
  int in, out;
  const int32_t *begin, *index;
  const float* weight;
};

struct Resampling {
  int64_t n, c;
  DeviceTaps h, w;
};

// Both of the same storage.
void resample(cudaStream_t stream, const Resampling& shape, Floats x, Floats y);

}  // namespace neuronode::cuda
