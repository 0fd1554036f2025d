// ReLU and ReLU6 as other operations apply them to what they give, and as they mask gradients.
#pragma once

#include <limits>

#include "math/macros.h"

namespace neuronode::math {

/// min(max(x, low), high); an end that is NaN is none. NaN stays NaN.
struct Rectifier {
  float low = std::numeric_limits<float>::quiet_NaN();
  float high = std::numeric_limits<float>::quiet_NaN();

  NN_HD bool hasEnds() const { return low == low || high == high; }
  NN_HD float value(float x) const { return x <= low ? low : x >= high ? high : x; }
  /// From the rectified output y.
  NN_HD float gradient(float gy, float y) const { return y <= low || y >= high ? 0.0f : gy; }
};

}  // namespace neuronode::math
