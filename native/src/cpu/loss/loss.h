// The losses over classes with their gradients, on the CPU.
//
// Policy: called from one device thread, OpenMP inside, no allocation, bit-identical for every
// number of threads. grad may be logits.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "math/loss.h"

namespace neuronode {

// A label that none equals: nothing is ignored.
inline constexpr int64_t kIgnoreNothing = INT64_MIN;

struct ClassLossArgs {
  const float* logits;    // [n, c] plain
  const int32_t* labels;  // [n], or null with `targets`
  int64_t validRows;      // in [0, n]; rows from here on count for nothing
  int64_t n;
  int64_t c;
  Reduction reduction;  // Mean divides loss and grad by the weight of the rows that count
  float* loss;          // []; with Reduction::None [n], zeros in rows that do not count
  int32_t* correct;     // []: rows whose first largest logit is their label's, and a number
  float* grad;          // [n, c] or null; zeros in rows that do not count
  const float* targets = nullptr;        // [n, c]: probabilities of the classes, instead of labels
  const float* weights = nullptr;        // [c]; null: all are 1
  int64_t ignoreIndex = kIgnoreNothing;  // rows of this label do not count
  double labelSmoothing = 0.0;           // this part of a target is spread over all classes
  bool areLogs = false;  // logits are log-probabilities, of whose label's the loss is the negative
};

struct LossKernels {
  /// Returns -1, or the first row below validRows whose label is outside [0, c) and is not
  /// ignoreIndex: then nothing has been written. The loss is summed in f64 in row order. A row
  /// weighs what its label does, with `targets` 1. Where no row counts the loss is 0 (Sum) or NaN
  /// (Mean), as in PyTorch, and grad is all zeros. With `targets` a row is correct where its
  /// largest logit is that of the first largest target.
  int64_t (*classLoss)(const ClassLossArgs& args);
};

const LossKernels& lossKernels(Isa isa = detectIsa());

}  // namespace neuronode
