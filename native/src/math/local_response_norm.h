// One element of local response normalisation, for the CPU's loops and CUDA's kernels.
#pragma once

#include <cmath>
#include <cstdint>

#include "math/macros.h"
#include "math/power.h"

namespace neuronode {

/// y[c] = x[c] / (k + alpha / size * sum of x[j]^2)^beta over the channels j from c - size / 2 to
/// c + (size - 1) / 2 that there are (torch.nn.LocalResponseNorm). alpha and k are not negative.
struct LocalResponseNormOptions {
  int64_t size;
  double alpha, beta, k;

  NN_HD int64_t before() const { return size / 2; }
  NN_HD int64_t after() const { return (size - 1) / 2; }
};

namespace math {

/// What all elements share.
struct ResponseNorm {
  float scale;  // alpha / size
  float beta;
  float k;
  float slope;  // 2 alpha beta / size
};

NN_HD ResponseNorm responseNorm(const LocalResponseNormOptions& options) {
  const double scale = options.alpha / static_cast<double>(options.size);
  return {static_cast<float>(scale), static_cast<float>(options.beta),
          static_cast<float>(options.k), static_cast<float>(2.0 * scale * options.beta)};
}

/// Whether the divisor is worked out by square roots.
NN_HD bool isThreeQuarters(const ResponseNorm& norm) { return norm.beta == 0.75f; }

/// k + alpha times the mean of the squares.
NN_HD float responseBase(const ResponseNorm& norm, float squares) {
  return norm.k + norm.scale * squares;
}

/// base^beta.
template <bool kThreeQuarters>
NN_HD float responseDivisor(const ResponseNorm& norm, float base) {
  if constexpr (kThreeQuarters) {
    const float root = std::sqrt(base);
    return root * std::sqrt(root);
  } else {
    return power(base, norm.beta);
  }
}

}  // namespace math
}  // namespace neuronode
