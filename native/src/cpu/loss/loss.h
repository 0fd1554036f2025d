// Softmax and the cross-entropy loss with its gradient, on the CPU.
//
// Policy: called from one device thread, OpenMP inside, no allocation, bit-identical for every
// number of threads. y may be x, grad may be logits.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace neuronode {

enum class Reduction { Mean = 0, Sum = 1 };  // attrs.reduction

struct CrossEntropyArgs {
  const float* logits;    // [n, c] plain
  const int32_t* labels;  // [n]
  int64_t validRows;      // in [0, n]; rows from here on count for nothing
  int64_t n;
  int64_t c;
  Reduction reduction;  // Mean divides loss and grad by validRows
  float* loss;          // []
  int32_t* correct;     // []: rows whose first largest logit is their label's, and a number
  float* grad;          // [n, c] or null; zeros in rows from validRows on
};

struct LossKernels {
  /// Returns -1, or the first row below validRows whose label is outside [0, c): then nothing has
  /// been written. The loss is summed in f64 in row order. With validRows = 0 the loss is 0 (Sum)
  /// or NaN (Mean), as in PyTorch, and grad is all zeros.
  int64_t (*softmaxCrossEntropy)(const CrossEntropyArgs& args);
  /// y[i] = softmax(x[i]) for each row; x, y: [n, c] plain.
  void (*softmax)(const float* x, float* y, int64_t n, int64_t c);
};

const LossKernels& lossKernels(Isa isa = detectIsa());

}  // namespace neuronode
