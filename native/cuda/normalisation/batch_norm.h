// Launches of our kernels of batch normalisation, channels-last: x [rows, pixels, channels].
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "floats.h"
#include "math/rectifier.h"

namespace neuronode::cuda {

// The batch, and how many of its rows are real, in device memory; null: all. Padded rows enter no
// sum, and what is written there is zero.
struct BatchNormImages {
  int64_t rows, pixels, channels;
  const int32_t* realRows;
};

// Of one number for each channel. Weight and bias are null where there are none.
struct BatchNormChannels {
  double eps;
  const float* mean;
  const float* var;
  const float* weight;
  const float* bias;
};

// Bytes of `workspace` below.
size_t batchNormWorkspace(const BatchNormImages& images);

// Mean and variance (divided by the number of values) of each channel.
void batchMoments(cudaStream_t stream, const BatchNormImages& images, Floats x, float* mean,
                  float* var, void* workspace);
// What follows in the same pass: an addition where `residual`, stored as x is, is not null; then
// the rectifier.
struct BatchNormTail {
  void* residual;
  math::Rectifier rectifier;
};
// y = (x - mean) / sqrt(var + eps) * weight + bias, and its tail.
void batchNormalise(cudaStream_t stream, const BatchNormImages& images,
                    const BatchNormChannels& channels, const BatchNormTail& tail, Floats x,
                    Floats y, void* workspace);
// What comes to the gradient: gy, where the rectified output y is not null only where it passes.
struct BatchNormGradient {
  Floats gy, y;
  math::Rectifier rectifier;
};
// Gradients with respect to x and, where they are not null, to weight and bias. Where the
// statistics are those of the batch they depend on x as well.
void batchNormGrad(cudaStream_t stream, const BatchNormImages& images,
                   const BatchNormChannels& channels, bool ofBatch,
                   const BatchNormGradient& gradient, Floats x, Floats gx, float* gweight,
                   float* gbias, void* workspace);

struct RunningUpdate {
  int64_t channels, pixels;
  double momentum;
  bool cumulative;
  const float* mean;
  const float* var;
  const int32_t* realRows;
  float* runningMean;
  float* runningVar;
  int32_t* batches;  // null where nobody counts them
};
// Moves the running statistics towards those of the batch, and counts the batch.
void batchNormUpdate(cudaStream_t stream, const RunningUpdate& update);

}  // namespace neuronode::cuda
