// Kernels that work element by element, on the CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation, results
// bit-identical for every number of threads. Outputs may alias an input exactly (same address);
// partial overlap is not allowed. Buffers need no alignment beyond that of float.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "math/activation.h"
#include "math/arithmetic.h"
#include "math/rectifier.h"
#include "nest.h"

namespace neuronode {

/// n counts floats, padding lanes included. `parameter` is the formula's, if it has one.
struct PointwiseKernels {
#define NN_ACTIVATION_ROW(Formula, name, ...)                                                     \
  /** y = value(x). Where value(0) is not 0, the padding lanes of a blocked buffer must be zeroed \
   */                                                                                             \
  /** after it: ChannelKernels::zeroPaddingLanes. */                                              \
  void (*name)(const float* x, float* y, int64_t n, float parameter);                             \
  /** gx = gradient(gy, from), from being the forward output or input. */                         \
  void (*name##Grad)(const float* gy, const float* from, float* gx, int64_t n, float parameter);
#define NN_ARITHMETIC_ROW(Formula, name)                                                          \
  void (*name)(const float* a, const float* b, float* y, int64_t n);                              \
  /** The same along a nest of y, a and b. In its last axis y goes from element to element, a and \
   * b do or stand still. The output may alias an input that stands nowhere still. */             \
  void (*name##Nest)(const float* a, const float* b, float* y, const Nest<3>& nest);
  NN_ACTIVATIONS(NN_ACTIVATION_ROW)
  NN_ARITHMETIC(NN_ARITHMETIC_ROW)
#undef NN_ACTIVATION_ROW
#undef NN_ARITHMETIC_ROW
  /// y = rectified a + b.
  void (*addRectified)(const float* a, const float* b, float* y, int64_t n,
                       math::Rectifier rectifier);
  /// gx = a + b where the rectified output `from` lets it pass, else 0.
  void (*addMasked)(const float* a, const float* b, const float* from, float* gx, int64_t n,
                    math::Rectifier rectifier);
};

const PointwiseKernels& pointwiseKernels(Isa isa = detectIsa());

}  // namespace neuronode
