// Kernels that move elements and compute nothing, and the sums that are their gradients, on the
// CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation, results
// bit-identical for every number of threads. Outputs do not overlap inputs. Buffers need no
// alignment beyond that of float.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "math/border.h"
#include "nest.h"

namespace neuronode {

struct CopyKernels {
  /// y[i] = value.
  void (*fill)(float* y, int64_t n, float value);
  /// to = from along the nest, whose tensors are `to` and `from`.
  void (*copy)(float* to, const float* from, const Nest<2>& nest);
  /// y: [outer, height + padding, width + padding, inner], each pixel being that of x: [outer,
  /// height, width, inner] which the border's rule names.
  void (*extend)(const float* x, float* y, const math::Border& border);
  /// Its gradient: gx[pixel] = sum of gy over the pixels that are copies of it, in their order.
  void (*extendGrad)(const float* gy, float* gx, const math::Border& border);
};

const CopyKernels& copyKernels(Isa isa = detectIsa());

}  // namespace neuronode
