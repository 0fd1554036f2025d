// Element-wise losses with their gradients, on the CPU.
//
// Policy: called from one device thread, OpenMP inside, no allocation, bit-identical for every
// number of threads. grad may be x.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "math/loss.h"

namespace neuronode {

struct ElementLossArgs {
  const float* x;       // [rows, rowElements] plain
  const float* target;  // as x
  int64_t validRows;    // in [0, rows]; rows from here on count for nothing
  int64_t rows;
  int64_t rowElements;
  Reduction reduction;         // Mean divides loss and grad by the elements of the valid rows
  float parameter = 1;         // of the formula, where `parameters` has none
  RepeatedWeights parameters;  // one for each element of a row
  RepeatedWeights weights;     // that losses are multiplied by
  float* loss;                 // []; with Reduction::None as x, zeros in rows from validRows on
  float* grad;                 // as x, or null; zeros in rows from validRows on
};

// The formulas of math/loss.h, in the list's order.
enum class ElementLoss : uint8_t {
#define NN_LOSS_ROW(Formula, name) Formula,
  NN_ELEMENT_LOSSES(NN_LOSS_ROW)
#undef NN_LOSS_ROW
      Count
};

struct ElementLossKernels {
  /// The loss is summed in f64, in an order that the sizes fix. Without a valid row it is 0 (Sum)
  /// or NaN (Mean), as in PyTorch.
  void (*loss[static_cast<int>(ElementLoss::Count)])(const ElementLossArgs& args);
};

const ElementLossKernels& elementLossKernels(Isa isa = detectIsa());

}  // namespace neuronode
