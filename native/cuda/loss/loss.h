// Launches of softmax and of softmax with cross-entropy, one block to a row.
#pragma once

#include <cuda_runtime_api.h>

#include "floats.h"

namespace neuronode::cuda {

// x, y: [rows, columns], rows `pitch` apart.
void softmax(cudaStream_t stream, Floats x, Floats y, int64_t rows, int64_t columns, int64_t pitch);

struct CrossEntropy {
  Floats logits;          // [rows, columns], rows `pitch` apart
  const int32_t* labels;  // [rows]
  const int32_t* count;   // rows that count, in device memory; the rest add nothing
  bool sum = false;       // the loss is the sum of the rows that count, not their mean
  float* loss;            // of the rows that count
  int32_t* correct;       // rows whose first largest logit is the label's, and a number
  Floats gradient;        // of the loss, as logits are laid out, padding zero; null if not wanted
  int64_t rows, columns, pitch;
  double* rowLoss;      // workspace: [rows]
  int32_t* rowCorrect;  // workspace: [rows]
};
// Sums over rows are in f64 and in a fixed order. Where no row counts the mean is NaN. Nobody can
// be told of wrong inputs here: a label outside [0, columns) in a row that counts, or a count
// outside [0, rows], gives a NaN loss and leaves that row's gradient (every row's) zero.
void crossEntropy(cudaStream_t stream, const CrossEntropy& args);

}  // namespace neuronode::cuda
