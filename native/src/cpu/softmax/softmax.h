// Softmax along an axis and its logarithm on the CPU, forward and gradient.
//
// Policy: called from one device thread, parallel inside, no allocation, bit-identical for every
// number of threads. The sum of a row is of f64, in an order that depends on the shape alone. The
// result may be an input. Padding lanes of the result are zero.
#pragma once

#include "cpu/isa.h"
#include "cpu/plane_shape.h"

namespace neuronode {

/// Rows go along the channels of a PlaneShape: memory [before, size, behind] of any tensor is that
/// of `before` images of `size` channels and `behind` pixels.
struct SoftmaxKernels {
  using Forward = void (*)(const PlaneShape& shape, const float* x, float* y);
  using Backward = void (*)(const PlaneShape& shape, const float* gy, const float* y, float* gx);

  /// y = e^x / sum of e^x over the row.
  Forward softmax;
  /// y = x - log(sum of e^x over the row).
  Forward logSoftmax;
  /// gx = y (gy - sum of gy y over the row).
  Backward softmaxGrad;
  /// gx = gy - e^y (sum of gy over the row).
  Backward logSoftmaxGrad;
};

const SoftmaxKernels& softmaxKernels(Isa isa = detectIsa());

}  // namespace neuronode
