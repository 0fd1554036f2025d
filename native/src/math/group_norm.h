// The arithmetic of group normalisation on single groups, for every device.
#pragma once

#include <cmath>

#include "math/macros.h"

namespace neuronode::math {

struct GroupStatistics {
  float mean, rstd;  // 1 / sqrt(variance + eps)
};

// From the sums of a group's `count` elements and of their squares.
NN_HD GroupStatistics groupStatistics(double sum, double squares, double count, double eps) {
  const double mean = sum / count;
  const double variance = squares / count - mean * mean;
  // Rounding may leave a little less than nothing; NaN stays.
  return {static_cast<float>(mean),
          static_cast<float>(1.0 / std::sqrt((variance < 0.0 ? 0.0 : variance) + eps))};
}

// What the gradient with respect to x has beside gy w rstd: shift + (x - mean) * slope.
struct GroupGradient {
  float shift, slope;
};

// From the sums of gy w and of gy w (x - mean) over a group's `count` elements.
NN_HD GroupGradient groupGradient(double sum, double product, double count, double rstd) {
  return {static_cast<float>(-rstd * sum / count),
          static_cast<float>(-rstd * rstd * rstd * product / count)};
}

}  // namespace neuronode::math
