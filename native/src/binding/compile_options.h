// The options of compile(), from JavaScript.
#pragma once

#include <napi.h>

#include <string>

#include "backend.h"

namespace neuronode::binding {

struct CompileOptions {
  std::string device = "cpu";
  KernelOptions kernels;
};

// { device = 'cpu', algorithm = 'auto', precision = 'f32', pooling = 'own', deterministic = false,
// autotune = false }. Throws ERR_NN_ARGUMENT for other values, and for a precision that the device
// does not have.
CompileOptions parseCompileOptions(const Napi::Object& object);

}  // namespace neuronode::binding
