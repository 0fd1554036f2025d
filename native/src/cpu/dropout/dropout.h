// Dropout on the CPU. Forward and gradient are one kernel: the mask is computed anew from
// (seed, step, stream, element index in plain NCHW order), so nothing is stored between them and a
// mask depends neither on the layout nor on the number of threads nor on the device.
//
// Policy: as cpu/pointwise/pointwise.h (one calling thread, OpenMP inside, no allocation, y may be
// x).
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/plane_shape.h"

namespace neuronode {

struct DropoutMask {
  double p;       // probability that an element becomes zero, in [0, 1]
  uint64_t seed;  // attrs.seed: lo32 | hi32 << 32
  uint32_t step;
  uint32_t stream;  // one per dropout module
};

struct DropoutKernels {
  /// y = keep ? x / (1 - p) : 0. The gradient is the same call on gy. p = 0 copies, p = 1 writes
  /// zeros. Padding lanes of a blocked buffer come out as zeros.
  void (*apply)(const float* x, float* y, const PlaneShape& shape, const DropoutMask& mask);
};

const DropoutKernels& dropoutKernels(Isa isa = detectIsa());

}  // namespace neuronode
