// Sums over axes, on the CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation. Sums are of
// f64, in an order that depends on the shape alone, so that they have the same bits for every
// number of threads.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "nest.h"

namespace neuronode {

struct SumKernels {
  /// y[k] = sum of x over nest.reduced, for each k of nest.kept, divided by `divisor`. `partial`:
  /// [slices, kept], slices = sumSlices(nest).
  void (*sum)(const float* x, float* y, double* partial, const SumNest& nest, double divisor);
};

const SumKernels& sumKernels(Isa isa = detectIsa());

}  // namespace neuronode
