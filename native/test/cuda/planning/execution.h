// What a plan hands to cuDNN when it is executed, as far as that can be seen without a device.
#pragma once

#include <cstdint>
#include <map>

#include "convolution/cudnn_graph.h"

namespace neuronode::cuda::planning {

struct Execution {
  std::map<int64_t, void*> tensors;  // by uid
  void* workspace = nullptr;
};

// Executes with a handle that is none, up to the library's door.
Execution execute(const CudnnGraph& graph, const ConvPointers& pointers, void* workspace);

}  // namespace neuronode::cuda::planning
