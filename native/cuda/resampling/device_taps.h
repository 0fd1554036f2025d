// The taps of both axes in device memory, with their owner.
#pragma once

#include <memory>

#include "handles.h"
#include "resampling/resampling.h"
#include "taps.h"

namespace neuronode::cuda {

struct OwnedTaps {
  std::shared_ptr<void> memory;
  DeviceTaps h, w;
};

// Copies them and waits: for the making of a kernel, not for its runs.
OwnedTaps uploadTaps(cudaStream_t stream, const AxisTaps& h, const AxisTaps& w);

}  // namespace neuronode::cuda
