// Optimizer steps on the CPU, one fused pass over a parameter and its state, as PyTorch's
// single-tensor optimizers compute them in f32.
//
// Policy: called from one device thread, OpenMP inside, no allocation, bit-identical for every
// number of threads. Parameter, gradient and state share one layout, whichever it is. Zero padding
// in all of them stays zero if eps > 0. Scalars are computed in f64 once per call.
#pragma once

#include <array>
#include <cstdint>

#include "cpu/isa.h"
#include "math/optimizer.h"

namespace neuronode {

// One parameter's step. param, grad and states: [count]; param and states are updated in place.
struct OptimizerUpdate {
  float* param;
  const float* grad;
  std::array<float*, math::kMostStates> states;  // as many as the optimizer's options ask for
  int64_t count;
  int64_t step;  // from 1
  double lr;
};

// A kernel for each of NN_OPTIMIZERS, under the operation's name; `run` picks by the options.
struct OptimizerKernels {
#define NN_OPTIMIZER_ROW(Op, opName, Options)                                   \
  void (*opName)(const OptimizerUpdate& update, const math::Options& options);  \
  void run(const OptimizerUpdate& update, const math::Options& options) const { \
    opName(update, options);                                                    \
  }
  NN_OPTIMIZERS(NN_OPTIMIZER_ROW)
#undef NN_OPTIMIZER_ROW
};

const OptimizerKernels& optimizerKernels(Isa isa = detectIsa());

}  // namespace neuronode
