// Resampling of images on the CPU, on plain and blocked layouts; the gradient is the same with taps
// transposed.
//
// Policy: called from one device thread, parallel inside over pieces of the rows, no allocation in
// the run function, bit-identical for every number of threads. A row of the result is a weighted
// sum of rows in scratch memory, and then of that row's pixels. Padding lanes that hold zeros give
// zeros. The result may not be the input.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "taps.h"

namespace neuronode {

/// x: [planes, h.in, w.in, block], y: [planes, h.out, w.out, block]; planes = N * ceil(C / block).
struct Resampling {
  int64_t planes;
  int block;
  AxisTaps h, w;
  int64_t workers;  // that may be under way at a time; each has scratch memory of its own
};

/// Floats of the memory that a run needs beside its tensors, aligned to 64 bytes.
int64_t resamplingScratch(const Resampling& resampling);

struct ResamplingKernels {
  void (*resample)(const Resampling& resampling, const float* x, float* y, float* scratch);
};

const ResamplingKernels& resamplingKernels(Isa isa = detectIsa());

/// Floats of one worker's scratch memory: a row, in whole cache lines.
inline int64_t resamplingRow(const Resampling& resampling) {
  return (resampling.w.in * resampling.block + 15) / 16 * 16;
}

}  // namespace neuronode
