// One element of each activation and of its gradient, for the CPU's loops and CUDA's kernels, and
// the exponential they rest on.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "math/macros.h"

// The activations, a row each: the formula's name, which is the operation's enumerator; the
// operation's name; whether the gradient is computed from the activation's Output or its Input; and
// the attribute that is the formula's parameter, "" where it has none.
#define NN_ACTIVATIONS(ROW)   \
  ROW(Relu, relu, Output, "") \
  ROW(Sigmoid, sigmoid, Output, "")

namespace neuronode::math {

/// e^x within 1.5 ulp, denormal results and the limits 0 and infinity included; NaN stays NaN.
/// Written out, without branches, because compilers do not vectorise calls of expf.
NN_HD float exp(float x) {
  x = x > 89.0f ? 89.0f : x;      // e^89 is infinity
  x = x < -104.0f ? -104.0f : x;  // e^-104 rounds to 0
  // n = x / ln 2 rounded to an integer, which adding 1.5 * 2^23 leaves in the low mantissa bits.
  constexpr float kRound = 12582912.0f;
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  int32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  const int32_t exponent = bits - 0x4b400000;
  // ln 2 in two parts, the first short enough that n times it is exact.
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  // e^r for |r| <= ln 2 / 2; coefficients of the Cephes library's expf.
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * (r * r) + r) + 1.0f;
  // 2^n in two factors, since n reaches 128 and -150.
  const int32_t half = exponent >> 1;
  const int32_t lowBits = (half + 127) << 23;
  const int32_t highBits = (exponent - half + 127) << 23;
  float low, high;
  std::memcpy(&low, &lowBits, sizeof low);
  std::memcpy(&high, &highBits, sizeof high);
  return p * low * high;
}

/// max(x, 0), keeping NaN.
struct Relu {
  NN_HD float value(float x) const { return x <= 0.0f ? 0.0f : x; }
  NN_HD float gradient(float gy, float y) const { return y <= 0.0f ? 0.0f : gy; }
};

struct Sigmoid {
  NN_HD float value(float x) const { return 1.0f / (1.0f + exp(-x)); }
  NN_HD float gradient(float gy, float y) const { return gy * ((1.0f - y) * y); }
};

/// The formula with its parameter, which is its one member; that of an empty one does not count.
template <class Formula>
NN_HD Formula activation(float parameter) {
  if constexpr (std::is_empty_v<Formula>) {
    return {};
  } else {
    return {parameter};
  }
}

}  // namespace neuronode::math
