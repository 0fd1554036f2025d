// Floats in memory as they are stored, one by one, for the emulated libraries.
#pragma once

#include "gemm.h"
#include "layouts.h"

namespace neuronode::cuda::emulation {

inline float load(const void* at, Storage storage, int64_t i) {
  return storage == Storage::F32 ? static_cast<const float*>(at)[i]
                                 : bf16ToFloat(static_cast<const uint16_t*>(at)[i]);
}

inline void store(void* at, Storage storage, int64_t i, float value) {
  if (storage == Storage::F32) {
    static_cast<float*>(at)[i] = value;
  } else {
    static_cast<uint16_t*>(at)[i] = floatToBf16(value);
  }
}

}  // namespace neuronode::cuda::emulation
