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
  const void* grad;  // stored as gradStorage says
  float* first;      // Adam: m. SGD: the momentum buffer, or null
  float* second;     // Adam: v
  uint16_t* shadow;  // bf16 copy of param to write, or null
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

// Padding must stay zero: callers keep AdamOptions::eps above zero. SGD's first step (step = 1)
// sets the buffer to the gradient. Tables and scalars are in device memory; bias corrections are
// computed there, in f64.
struct UpdateTable {
  const UpdateTensor* tensors;
  const UpdateChunk* chunks;
  int64_t chunkCount;
  const int32_t* step;
  const double* lr;
};
void adamStep(cudaStream_t stream, const UpdateTable& table, const AdamOptions& options);
void sgdStep(cudaStream_t stream, const UpdateTable& table, const SgdOptions& options);

}  // namespace neuronode::cuda
