// Launches of softmax along an axis and of its logarithm.
#pragma once

#include <cuda_runtime_api.h>

#include "floats.h"

namespace neuronode::cuda {

// Memory [before, pitch, behind], of whose middle the first `size` are a row's; where behind is
// more than 1, pitch is size. What is written of the rest is zero.
struct SoftmaxShape {
  int64_t before, size, behind, pitch;
  bool isLog;
};

// y = e^x / sum of e^x, or x - log(sum of e^x).
void softmax(cudaStream_t stream, const SoftmaxShape& shape, Floats x, Floats y);
// gx = y (gy - sum of gy y), or gy - e^y (sum of gy).
void softmaxGrad(cudaStream_t stream, const SoftmaxShape& shape, Floats gy, Floats y, Floats gx);

}  // namespace neuronode::cuda
