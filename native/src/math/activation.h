// One element of ReLU and sigmoid and of their gradients, and the exponential they rest on.
#pragma once

#include <cstdint>
#include <cstring>

#include "math/macros.h"

// The activations, a row each: its operation's enumerator and name.
#define NN_ACTIVATIONS(ROW) ROW(Relu, relu) ROW(Sigmoid, sigmoid)

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
NN_HD float relu(float x) { return x <= 0.0f ? 0.0f : x; }

/// y is relu's output.
NN_HD float reluGrad(float gy, float y) { return y <= 0.0f ? 0.0f : gy; }

NN_HD float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

/// y is sigmoid's output.
NN_HD float sigmoidGrad(float gy, float y) { return gy * ((1.0f - y) * y); }

}  // namespace neuronode::math
