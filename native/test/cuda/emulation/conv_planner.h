// The imitation of cuDNN's planning: what tests may tell it.
#pragma once

#include <functional>

#include "convolution/plan.h"

namespace neuronode::cuda::emulation {

// Problems for which this holds are refused, besides those that the real library refuses. Null:
// none. NEURONODE_EMULATED_PLANS=unfused refuses from the start all that add a bias or ReLU, and
// =none refuses all.
void refusePlans(std::function<bool(const ConvProblem&)> refused);
// Problems for which this holds have plans although the table refuses them, as the real library may
// with a driver at hand. Null: none.
void grantPlans(std::function<bool(const ConvProblem&)> granted);

}  // namespace neuronode::cuda::emulation
