// Convolution by im2col and cuBLAS, for problems that the convolution library has no plan for.
//
// Policy: operands and products are f32 (x may be stored as bf16), images are taken in chunks whose
// columns fit the workspace, and sums over chunks are in a fixed order.
#pragma once

#include "context.h"
#include "convolution/plan.h"

namespace neuronode::cuda {

class MatrixProduct {
 public:
  MatrixProduct(Context& context, const ConvProblem& geometry, Precision precision,
                size_t workspaceBytes);

  // The storage of each tensor.
  const ConvProblem& problem() const { return problem_; }
  size_t workspaceBytes() const;
  void run(const ConvPointers& pointers, void* workspace) const;

 private:
  void runChunk(const ConvPointers& pointers, float* columns, int64_t group, int64_t firstImage,
                int64_t images) const;

  cudaStream_t stream_;
  cublasHandle_t blas_;
  ConvProblem problem_;
  int64_t columnWidth_;  // r * s * (c / groups)
  int64_t chunk_;        // images at a time
};

}  // namespace neuronode::cuda
