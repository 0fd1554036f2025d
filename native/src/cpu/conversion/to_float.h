// The conversion of bytes to floats, on the CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation, results
// bit-identical for every number of threads. Buffers need no alignment beyond that of float.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace neuronode {

struct ConversionKernels {
  /// x: u8 [n, c, hw], y: f32 [n, c, hw], both plain; table: [c][256] from buildByteTable.
  void (*bytesToFloat)(const uint8_t* x, float* y, int64_t n, int64_t c, int64_t hw,
                       const float* table);
};

const ConversionKernels& conversionKernels(Isa isa = detectIsa());

/// table[k*256 + b] = (b / 255 - mean[k]) / std[k], each step rounded to f32, which is what
/// torchvision's ToTensor followed by Normalize computes. table: [c][256].
void buildByteTable(const float* mean, const float* std, int64_t c, float* table);

}  // namespace neuronode
