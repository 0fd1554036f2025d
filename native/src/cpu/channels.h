// Sums and padding of channels and rows, which several families need, on the CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation, results
// bit-identical for every number of threads. Buffers need no alignment beyond that of float.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/plane_shape.h"

namespace neuronode {

struct ChannelKernels {
  /// y[i] += row[i] for each of the rows of y: [rows, columns].
  void (*addRow)(float* y, const float* row, int64_t rows, int64_t columns);
  /// Writes zeros to the lanes past shape.c of the last channel block; nothing if there are none.
  void (*zeroPaddingLanes)(float* x, const PlaneShape& shape);
  /// sums[c] = sum of x over images and pixels (the bias gradient of a convolution, and with
  /// {N, out, 1, 1} that of a linear layer). Writes exactly shape.c floats. Short runs are added in
  /// f32, their sums in f64, in an order that depends on the shape alone.
  void (*channelSum)(const float* x, float* sums, const PlaneShape& shape);
};

const ChannelKernels& channelKernels(Isa isa = detectIsa());

}  // namespace neuronode
