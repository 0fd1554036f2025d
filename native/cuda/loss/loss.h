// Launches of the losses over classes, one block to a row.
#pragma once

#include <cuda_runtime_api.h>

#include "floats.h"
#include "math/loss.h"

namespace neuronode::cuda {

struct ClassLoss {
  Floats logits;          // [rows, columns], rows `pitch` apart
  const int32_t* labels;  // [rows], or null with `targets`
  const int32_t* count;   // rows that count, in device memory; the rest add nothing
  Reduction reduction = Reduction::Mean;
  float* loss;       // of the rows that count; with Reduction::None [rows]
  int32_t* correct;  // rows whose first largest logit is the label's, and a number
  Floats gradient;   // of the loss, as logits are laid out, padding zero; null if not wanted
  int64_t rows, columns, pitch;
  double* rowLoss;                  // workspace: [rows + 1], what the rows weigh behind them
  int32_t* rowCorrect;              // workspace: [rows]
  const float* targets = nullptr;   // [rows, columns]: probabilities of the classes
  const float* weights = nullptr;   // [columns]; null: all are 1
  int64_t ignoreIndex = INT64_MIN;  // rows of this label do not count
  double labelSmoothing = 0.0;      // this part of a target is spread over all classes
  bool areLogs = false;  // logits are log-probabilities, of whose label's the loss is the negative
};
// Sums over rows are in f64 and in a fixed order. Where no row counts the mean is NaN. Nobody can
// be told of wrong inputs here: a label outside [0, columns) in a row that counts, or a count
// outside [0, rows], gives a NaN loss and leaves that row's gradient (every row's) zero. A row
// weighs what its label does, with `targets` 1, and is then correct where its largest logit is that
// of the first largest target.
void classLoss(cudaStream_t stream, const ClassLoss& args);

}  // namespace neuronode::cuda
