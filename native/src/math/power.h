// Powers of f32 that are not known when kernels are compiled.
#pragma once

#include "math/activation.h"
#include "math/macros.h"

namespace neuronode::math {

/// base^exponent for a base that is not negative. The relative error is the absolute one of
/// exponent * log(base) in f32.
NN_HD float power(float base, float exponent) {
  const float value = exp(exponent * log(base));
  return exponent == 0.0f ? 1.0f : value;
}

}  // namespace neuronode::math
