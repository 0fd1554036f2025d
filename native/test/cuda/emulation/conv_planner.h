// The imitation of cuDNN's planning: what tests may tell it.
#pragma once

#include <functional>

#include "convolution/plan.h"

namespace neuronode::cuda::emulation {

// Problems for which this holds are refused, besides those that the real library refuses. Null:
// none. NEURONODE_EMULATED_PLANS=unfused refuses from the start all that add a bias or ReLU, and
// =none refuses all.
void refusePlans(std::function<bool(const ConvProblem&)> refused);

// How many plans were asked for and refused since the process began.
struct PlanCounts {
  int planned = 0, refused = 0;
};
PlanCounts planCounts();

}  // namespace neuronode::cuda::emulation
