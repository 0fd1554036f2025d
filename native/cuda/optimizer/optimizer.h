// Launches of the optimizer steps: all parameters of a program in one launch, each tensor cut into
// chunks that blocks walk with 16-byte accesses.
#pragma once

#include <cuda_runtime_api.h>

#include <span>
#include <vector>

#include "floats.h"
#include "math/optimizer.h"

namespace neuronode::cuda {

// One parameter, in device memory, its elements in the same layout as those of its gradient and
// state. What is not 16-byte aligned is walked element by element.
struct UpdateTensor {
  float* param;
  const void* grad;                  // stored as gradStorage says
  float* states[math::kMostStates];  // as many as the optimizer's options ask for
  uint16_t* shadow;                  // bf16 copy of param to write, or null
  int64_t count;
  Storage gradStorage;
};

// One block's share of a step.
struct UpdateChunk {
  int32_t tensor;
  int32_t pad;
  int64_t begin;  // element, a multiple of kUpdateChunk
};
inline constexpr int64_t kUpdateChunk = 4096;

// The chunks that cover `tensors`, for the host to upload once.
std::vector<UpdateChunk> updateChunks(std::span<const UpdateTensor> tensors);

// Padding must stay zero: the options keep eps above zero. Tables and scalars are in device memory;
// what a whole step shares is computed there, in f64.
struct UpdateTable {
  const UpdateTensor* tensors;
  const UpdateChunk* chunks;
  int64_t chunkCount;
  const int32_t* step;
  const double* lr;
};

// One for each of NN_OPTIMIZERS.
#define NN_OPTIMIZER_ROW(Op, opName, Options) \
  void optimizerStep(cudaStream_t stream, const UpdateTable& table, const math::Options& options);
NN_OPTIMIZERS(NN_OPTIMIZER_ROW)
#undef NN_OPTIMIZER_ROW

}  // namespace neuronode::cuda
