// Launches of the kernels that work element by element: dense device memory in, dense device memory
// out, put on the stream. Arithmetic is that of native/src/math.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "floats.h"
#include "math/activation.h"
#include "math/arithmetic.h"
#include "math/rectifier.h"
#include "nest.h"

namespace neuronode::cuda {

// name: y = value(x). nameGrad: gx = gradient(gy, from), from being the forward output or input.
// `parameter` is the formula's, if it has one.
#define NN_ACTIVATION_ROW(Formula, name, ...)                                             \
  void name(cudaStream_t stream, Floats x, Floats y, int64_t count, float parameter = 0); \
  void name##Grad(cudaStream_t stream, Floats gy, Floats from, Floats gx, int64_t count,  \
                  float parameter = 0);
#define NN_ARITHMETIC_ROW(Formula, name)                                       \
  void name(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count); \
  /** The same along a nest of y, a and b. */                                  \
  void name##Nest(cudaStream_t stream, Floats a, Floats b, Floats y, const Nest<3>& nest);
NN_ACTIVATIONS(NN_ACTIVATION_ROW)
NN_ARITHMETIC(NN_ARITHMETIC_ROW)
#undef NN_ACTIVATION_ROW
#undef NN_ARITHMETIC_ROW

// y = rectified a + b.
void addRectified(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count,
                  math::Rectifier rectifier);
// gx = a + b where the rectified output `from` lets it pass, else 0.
void addMasked(cudaStream_t stream, Floats a, Floats b, Floats from, Floats gx, int64_t count,
               math::Rectifier rectifier);

}  // namespace neuronode::cuda
