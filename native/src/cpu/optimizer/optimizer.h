// Optimizer steps on the CPU, one fused pass over a parameter and its state, as PyTorch's
// single-tensor torch.optim.Adam, AdamW and SGD compute them in f32.
//
// Policy: called from one device thread, OpenMP inside, no allocation, bit-identical for every
// number of threads. Parameter, gradient and state share one layout, whichever it is. Zero padding
// in all of them stays zero if eps > 0. Scalars are computed in f64 once per call.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "math/optimizer.h"

namespace neuronode {

struct OptimizerKernels {
  /// p, g, m (exp_avg), v (exp_avg_sq): [n]; p, m, v updated in place. step is 1-based.
  void (*adamStep)(float* p, const float* g, float* m, float* v, int64_t n, int64_t step, double lr,
                   const AdamOptions& options);
  /// p, g: [n]; momentumBuffer: [n], or null when options.momentum is 0. step = 1 initialises the
  /// buffer with the gradient.
  void (*sgdStep)(float* p, const float* g, float* momentumBuffer, int64_t n, int64_t step,
                  double lr, const SgdOptions& options);
};

const OptimizerKernels& optimizerKernels(Isa isa = detectIsa());

}  // namespace neuronode
