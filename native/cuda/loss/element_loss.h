// Launches of the element-wise losses. All tensors are f32 and plain.
#pragma once

#include <cuda_runtime_api.h>

#include "math/loss.h"

namespace neuronode::cuda {

struct ElementLoss {
  const float* x;        // [rows, rowElements]
  const float* target;   // as x
  const int32_t* count;  // rows that count, in device memory; the rest add nothing
  Reduction reduction;
  float parameter;             // of the formula, where `parameters` has none
  RepeatedWeights parameters;  // one for each element of a row
  RepeatedWeights weights;     // that losses are multiplied by
  float* loss;                 // []; with Reduction::None as x
  float* gradient;             // as x, or null
  int64_t rows, rowElements;
  double* sums;  // workspace: [lossPieces(rows * rowElements)]
};

// Blocks, which sum a fixed piece of the elements each.
inline constexpr int64_t kLossPiece = 4096;
inline int64_t lossPieces(int64_t elements) { return (elements + kLossPiece - 1) / kLossPiece; }

// Sums are in f64 and in a fixed order. Without a row the mean is NaN; so is the loss for a count
// outside [0, rows], of which nobody can be told here, and its gradient is zero.
#define NN_LOSS_ROW(Formula, name) void name(cudaStream_t stream, const ElementLoss& args);
NN_ELEMENT_LOSSES(NN_LOSS_ROW)
#undef NN_LOSS_ROW

}  // namespace neuronode::cuda
