// Floats in device memory, in either storage: what launches are given.
#pragma once

#include "layouts.h"

namespace neuronode::cuda {

// Floats in device memory. Where they are not 16-byte aligned, kernels go element by element.
struct Floats {
  void* at = nullptr;
  Storage storage = Storage::F32;
};

}  // namespace neuronode::cuda
