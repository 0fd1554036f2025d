// Launches of our kernels of group normalisation, and of layer normalisation as one group of a
// matrix's rows.
#pragma once

#include <cuda_runtime_api.h>

#include "floats.h"

namespace neuronode::cuda {

// Memory [n, pixels, channels].
struct GroupNormShape {
  int64_t n, pixels, channels, groups;
  double eps;
};

// Bytes of memory that the gradient needs beside its tensors.
size_t groupNormWorkspace(const GroupNormShape& shape);

// y = (x - mean) rstd weight + bias; weight and bias [channels], null for 1 and 0; mean and
// rstd = 1 / sqrt(variance + eps): [n, groups].
void groupNorm(cudaStream_t stream, const GroupNormShape& shape, Floats x, const float* weight,
               const float* bias, Floats y, float* mean, float* rstd);

struct GroupNormGradient {
  Floats gy, x;
  const float *mean, *rstd, *weight;
  Floats gx;
  float *gweight, *gbias;  // [channels], or null where nobody wants them
  void* workspace;
};
void groupNormGrad(cudaStream_t stream, const GroupNormShape& shape, const GroupNormGradient& args);

}  // namespace neuronode::cuda
