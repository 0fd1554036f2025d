// The arithmetic of batch normalisation on single channels, for every device.
#pragma once

#include <cmath>
#include <cstdint>

#include "math/macros.h"

namespace neuronode::math {

// 1 / sqrt(variance + eps).
NN_HD float inverseDeviation(float variance, double eps) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(variance) + eps));
}

struct Moments {
  float mean, variance;  // the variance over `count` values, divided by their number
};

// From the sums of `count` values and of their squares; zeros for none.
NN_HD Moments momentsOf(double sum, double squares, double count) {
  if (count < 1) return {0.0f, 0.0f};
  const double mean = sum / count;
  const double variance = squares / count - mean * mean;
  // Rounding may leave a little less than nothing; NaN stays.
  return {static_cast<float>(mean), variance < 0 ? 0.0f : static_cast<float>(variance)};
}

// What the gradient with respect to x is made of: slope * (gy - first - (x - mean) * second).
struct GradientTerms {
  float slope, first, second;
};

// From the sums of gy and of gy * (x - mean) over a channel's `count` values.
NN_HD GradientTerms gradientTerms(double sum, double product, double count, float weight,
                                  float inverse) {
  if (count < 1) return {0.0f, 0.0f, 0.0f};
  const double wide = inverse;
  return {weight * inverse, static_cast<float>(sum / count),
          static_cast<float>(product * wide * wide / count)};
}

// How much of a new mean or variance goes into the running one: all that momentum says, or one part
// in as many as there were batches, this one included.
NN_HD double newShare(double momentum, bool isCumulative, int32_t batches) {
  return isCumulative ? 1.0 / batches : momentum;
}

NN_HD float runningValue(float running, double value, double share) {
  return static_cast<float>((1.0 - share) * running + share * value);
}

// The variance of `count` values divided by one less than their number.
NN_HD double unbiased(float variance, double count) {
  return count > 1 ? variance * (count / (count - 1)) : variance;
}

}  // namespace neuronode::math
