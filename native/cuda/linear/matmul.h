// Matrix products by cuBLAS, planned at compile time: plain ones by cublasGemmEx, those with a bias
// or a ReLU in the epilogue by cublasLt where it has an algorithm for them, else in two kernels.
//
// Policy: everything is row-major here; the column-major world of the library ends in matmul.cc.
// The libraries reduce in a fixed order: one shape on one device gives the same bits every time.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>

#include "context.h"
#include "floats.h"

namespace neuronode::cuda {

// y [m, n] = alpha * op(a) [m, k] * op(b) [k, n], then + bias [n], then ReLU. Pitches are elements
// from row to row of the matrices as stored: a is [m, k], or [k, m] where transposed.
struct MatmulProblem {
  bool transposeA = false, transposeB = false;
  int64_t m = 0, n = 0, k = 0;
  int64_t pitchA = 0, pitchB = 0, pitchY = 0;
  Storage operands = Storage::F32, y = Storage::F32;
  Precision precision = Precision::F32;
  float alpha = 1;
  bool accumulate = false;  // add to what y holds; without bias and ReLU only
  bool bias = false, relu = false;
};

struct MatmulPointers {
  const void* a = nullptr;
  const void* b = nullptr;
  const void* bias = nullptr;  // stored as Matmul::biasStorage says
  void* y = nullptr;
};

class Matmul {
 public:
  virtual ~Matmul() = default;
  // Puts the product on Context::compute().
  virtual void run(const MatmulPointers& pointers) = 0;
  virtual Storage biasStorage() const { return Storage::F32; }
  virtual const char* name() const = 0;  // such as "cublas" or "cublasLt"
};

std::unique_ptr<Matmul> makeMatmul(Context& context, const MatmulProblem& problem);

}  // namespace neuronode::cuda
