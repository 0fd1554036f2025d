// A matrix product as cuBLAS and cuBLASLt describe it, column-major, checked and queued.
#pragma once

#include <cublas_v2.h>

#include "core.h"

namespace neuronode::cuda::emulation {

struct Operand {
  const void* at = nullptr;
  cudaDataType type = CUDA_R_32F;
  bool transposed = false;
  int64_t ld = 0;
  int64_t stride = 0;  // between the matrices of a batch
};

// c [m, n] = alpha * op(a) [m, k] * op(b) [k, n] + beta * c, then + bias [m], then ReLU.
struct Product {
  int64_t m = 0, n = 0, k = 0, batch = 1;
  float alpha = 1, beta = 0;
  Operand a = {}, b = {}, c = {};
  bool tf32 = false;
  const void* bias = nullptr;
  cudaDataType biasType = CUDA_R_32F;
  bool relu = false;
  void* workspace = nullptr;
  size_t workspaceBytes = 0;
};

// What is wrong with it as a request; empty where nothing is.
std::string problemOf(const Product& product);
cublasStatus_t enqueueProduct(StreamObject& stream, const char* name, const Product& product);

cublasStatus_t blasStatus(cudaError_t status);

template <class Body>
cublasStatus_t blasApi(const char* name, unsigned traits, Body&& body) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t status = enter(name, traits); status != cudaSuccess) {
    if (traits & kReleases) body();
    return blasStatus(status);
  }
  return body();
}

// The object behind the handle, or null after a violation.
BlasObject* findBlas(void* handle, bool light);
cublasStatus_t createBlas(void** handle, bool light);
cublasStatus_t destroyBlas(void* handle, bool light);

}  // namespace neuronode::cuda::emulation
