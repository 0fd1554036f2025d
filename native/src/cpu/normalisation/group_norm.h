// Group normalisation, and layer normalisation as one group of a matrix's rows, on the CPU, forward
// and gradient, on plain and blocked layouts.
//
// Policy: called from one device thread, parallel inside, no allocation in the run functions,
// bit-identical for every number of threads. Sums are of f64, in an order that depends on the shape
// alone. Padding lanes of the result are zero. The result may take x's or gy's place.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/plane_shape.h"

namespace neuronode {

struct GroupNorm {
  PlaneShape shape;
  int64_t groups;  // of neighbouring channels, a divisor of their number
  double eps;

  /// Elements of a group.
  int64_t size() const { return shape.c / groups * shape.hw; }
  /// Slices of the images whose sums for the weights' gradients are added up in the end.
  int64_t slices() const;
};

/// Doubles of the memory that a run needs beside its tensors.
int64_t groupNormWorkspace(const GroupNorm& norm, bool gradient);

struct GroupNormForward {
  GroupNorm norm;
  const float *x, *weight, *bias;  // [c]; null for 1 and for 0
  float *y, *mean, *rstd;          // mean, 1 / sqrt(variance + eps): [n, groups]
  double* workspace;
};

struct GroupNormBackward {
  GroupNorm norm;
  const float *gy, *x, *mean, *rstd, *weight;
  float *gx, *gweight, *gbias;  // the last two [c], or null where nobody wants them
  double* workspace;
};

struct GroupNormKernels {
  void (*forward)(const GroupNormForward& args);
  void (*backward)(const GroupNormBackward& args);
};

const GroupNormKernels& groupNormKernels(Isa isa = detectIsa());

}  // namespace neuronode
