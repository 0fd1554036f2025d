// Launches of our pooling kernels, channels-last: x [n, h, w, c], y [n, oh, ow, c].
#pragma once

#include <cuda_runtime_api.h>

#include "floats.h"

namespace neuronode::cuda {

struct PoolShape {
  int64_t n, c, h, w, oh, ow;
  int64_t kernelH, kernelW, strideH, strideW, padH, padW;
  int64_t dilationH = 1, dilationW = 1;
  bool countIncludePad = true;  // averages
};

// Indices are the place in the window, kh * kernelW + kw, in bytes, or in 32-bit words where the
// window is larger than 256; null where nobody wants them. Ties go to the first; NaN wins.
struct PoolIndices {
  void* at = nullptr;
  bool words = false;
};

void maxPool(cudaStream_t stream, const PoolShape& shape, Floats x, Floats y, PoolIndices indices);
// Gathers: each input element sums the windows that chose it, in a fixed order. `mask`, if not
// null, is the pool's own output y of x = relu(..): where it is not positive nothing passes.
void maxPoolGrad(cudaStream_t stream, const PoolShape& shape, Floats gy, PoolIndices indices,
                 Floats mask, Floats gx);
void avgPool(cudaStream_t stream, const PoolShape& shape, Floats x, Floats y);
void avgPoolGrad(cudaStream_t stream, const PoolShape& shape, Floats gy, Floats gx);
// Of `shape` only n, c, h, w, oh, ow count.
void adaptiveAvgPool(cudaStream_t stream, const PoolShape& shape, Floats x, Floats y);
void adaptiveAvgPoolGrad(cudaStream_t stream, const PoolShape& shape, Floats gy, Floats gx);

}  // namespace neuronode::cuda
