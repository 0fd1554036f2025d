// One element of each activation and of its gradient, for the CPU's loops and CUDA's kernels, and
// the elementary functions they rest on.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "math/macros.h"

// The activations, a row each: the formula's name, which is the operation's enumerator; the
// operation's name; whether the gradient is computed from the activation's Output or its Input; and
// the attribute that is the formula's parameter, "" where it has none.
#define NN_ACTIVATIONS(ROW)                         \
  ROW(Relu, relu, Output, "")                       \
  ROW(Relu6, relu6, Output, "")                     \
  ROW(LeakyRelu, leakyRelu, Input, "negativeSlope") \
  ROW(Elu, elu, Input, "alpha")                     \
  ROW(Sigmoid, sigmoid, Output, "")                 \
  ROW(Tanh, tanh, Output, "")                       \
  ROW(Silu, silu, Input, "")                        \
  ROW(Gelu, gelu, Input, "")                        \
  ROW(GeluTanh, geluTanh, Input, "")                \
  ROW(Softplus, softplus, Input, "beta")            \
  ROW(Hardsigmoid, hardsigmoid, Input, "")          \
  ROW(Hardswish, hardswish, Input, "")              \
  ROW(Exp, exp, Output, "")                         \
  ROW(Log, log, Input, "")                          \
  ROW(Sqrt, sqrt, Output, "")                       \
  ROW(Rsqrt, rsqrt, Output, "")                     \
  ROW(Square, square, Input, "")                    \
  ROW(Abs, abs, Input, "")                          \
  ROW(Neg, neg, Output, "")

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

/// e^x - 1 within 3.5 ulp.
NN_HD float expm1(float x) {
  // exp's polynomial, where it alone is e^x.
  float p = 1.9875691500e-4f;
  p = p * x + 1.3981999507e-3f;
  p = p * x + 8.3334519073e-3f;
  p = p * x + 4.1665795894e-2f;
  p = p * x + 1.6666665459e-1f;
  p = p * x + 5.0000001201e-1f;
  const float near = p * (x * x) + x;
  const float far = exp(x) - 1.0f;
  return x > -0.34657359f && x < 0.34657359f ? near : far;
}

/// Within 2 ulp. Coefficients of the Cephes library's tanhf.
NN_HD float tanh(float x) {
  const float z = x * x, size = x < 0.0f ? -x : x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float far = 1.0f - 2.0f / (exp(size + size) + 1.0f);
  return size < 0.625f ? near : x < 0.0f ? -far : far;
}

/// Natural logarithm within 1 ulp, denormal arguments and the limits included. Coefficients of the
/// Cephes library's logf.
NN_HD float log(float x) {
  const bool isTiny = x < 1.17549435e-38f;
  const float scaled = isTiny ? x * 8388608.0f : x;
  int32_t bits;
  std::memcpy(&bits, &scaled, sizeof bits);
  // The mantissa from sqrt(1/2) to sqrt(2).
  const int32_t above = bits - 0x3f3504f3;
  const int32_t exponent = above >> 23;
  const int32_t mantissaBits = (above & 0x007fffff) + 0x3f3504f3;
  float m;
  std::memcpy(&m, &mantissaBits, sizeof m);
  m -= 1.0f;
  const float n = static_cast<float>(exponent) - (isTiny ? 23.0f : 0.0f), z = m * m;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  const float rest = (p * m * z + n * -2.12194440e-4f) - 0.5f * z;
  const float value = (m + rest) + n * 0.693359375f;
  // Infinity and NaN stay; below zero there is no logarithm.
  const float special = x == 0.0f ? -HUGE_VALF : x < 0.0f ? NAN : x;
  return x > 0.0f && x < HUGE_VALF ? value : special;
}

/// log(1 + x) within 2.5 ulp, for x from 0 to 1.
NN_HD float log1p(float x) {
  // The rounding of 1 + x is made up for in proportion.
  const float sum = 1.0f + x, part = sum - 1.0f;
  return part == 0.0f ? x : log(sum) * (x / part);
}

/// 1 - |erf(x)| beyond the argument where erf's other polynomial ends. Within 1.3 ulp of 1; N.
/// Juffa's approximation.
NN_HD float erfRest(float size) {
  const float z = size * size;
  float p = -1.72853470e-5f * size + 3.83197126e-4f;
  const float q = -3.88396438e-3f * size + 2.42546219e-2f;
  p = p * z + q;
  p = p * size - 1.06777877e-1f;
  p = p * size - 6.34846687e-1f;
  p = p * size - 1.28717512e-1f;
  return exp(p * size - size);
}

/// erf(x) for |x| below kErfNear.
NN_HD float erfNear(float x) {
  const float z = x * x;
  float p = -5.96761703e-4f;
  p = p * z + 4.99119423e-3f;
  p = p * z - 2.67681349e-2f;
  p = p * z + 1.12819925e-1f;
  p = p * z - 3.76125336e-1f;
  p = p * z + 1.28379166e-1f;
  return p * x + x;
}
inline constexpr float kErfNear = 0.927734375f;

/// (1 + erf(x / sqrt(2))) / 2, without cancellation where it is small.
NN_HD float normalCdf(float x) {
  const float scaled = x * 0.707106781f, size = scaled < 0.0f ? -scaled : scaled;
  const float rest = 0.5f * erfRest(size);
  const float far = scaled < 0.0f ? rest : 1.0f - rest;
  // Not `size < kErfNear ? .. : ..`: NaN is to stay NaN.
  return size >= kErfNear ? far : 0.5f + 0.5f * erfNear(scaled);
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

/// min(max(x, 0), 6), keeping NaN.
struct Relu6 {
  NN_HD float value(float x) const { return x <= 0.0f ? 0.0f : x >= 6.0f ? 6.0f : x; }
  NN_HD float gradient(float gy, float y) const { return y <= 0.0f || y >= 6.0f ? 0.0f : gy; }
};

struct LeakyRelu {
  float negativeSlope;
  NN_HD float value(float x) const { return x > 0.0f ? x : x * negativeSlope; }
  NN_HD float gradient(float gy, float x) const { return x > 0.0f ? gy : gy * negativeSlope; }
};

/// x, or alpha (e^x - 1) where x is not positive.
struct Elu {
  float alpha;
  NN_HD float value(float x) const { return x > 0.0f ? x : alpha * expm1(x); }
  NN_HD float gradient(float gy, float x) const { return x > 0.0f ? gy : gy * alpha * exp(x); }
};

struct Tanh {
  NN_HD float value(float x) const { return tanh(x); }
  NN_HD float gradient(float gy, float y) const { return gy * (1.0f - y * y); }
};

/// x sigmoid(x).
struct Silu {
  NN_HD float value(float x) const { return x / (1.0f + exp(-x)); }
  NN_HD float gradient(float gy, float x) const {
    const float s = 1.0f / (1.0f + exp(-x));
    return gy * (s * (1.0f + x * (1.0f - s)));
  }
};

/// x times the normal distribution's probability of less than x.
struct Gelu {
  NN_HD float value(float x) const { return x * normalCdf(x); }
  NN_HD float gradient(float gy, float x) const {
    const float density = 0.398942280f * exp(-0.5f * (x * x));
    return gy * (normalCdf(x) + x * density);
  }
};

/// Its approximation by tanh, x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
struct GeluTanh {
  NN_HD float value(float x) const { return 0.5f * x * (1.0f + tanh(inner(x))); }
  NN_HD float gradient(float gy, float x) const {
    const float t = tanh(inner(x));
    const float slope = 0.797884561f * (1.0f + 3.0f * 0.044715f * (x * x));
    return gy * (0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * slope);
  }
  NN_HD static float inner(float x) { return 0.797884561f * (x + 0.044715f * (x * x * x)); }
};

/// log(1 + e^(beta x)) / beta; x itself where beta x is more than 20.
struct Softplus {
  float beta;
  NN_HD float value(float x) const {
    const float z = beta * x, size = z < 0.0f ? -z : z;
    const float smooth = ((z > 0.0f ? z : 0.0f) + log1p(exp(-size))) / beta;
    return z > kLinear ? x : smooth;
  }
  NN_HD float gradient(float gy, float x) const {
    const float z = beta * x;
    return z > kLinear ? gy : gy / (1.0f + exp(-z));
  }
  static constexpr float kLinear = 20.0f;
};

/// relu6(x + 3) / 6.
struct Hardsigmoid {
  NN_HD float value(float x) const {
    return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : (x + 3.0f) / 6.0f;
  }
  NN_HD float gradient(float gy, float x) const {
    return x <= -3.0f || x >= 3.0f ? 0.0f : gy / 6.0f;
  }
};

/// x relu6(x + 3) / 6.
struct Hardswish {
  NN_HD float value(float x) const {
    return x <= -3.0f ? 0.0f : x >= 3.0f ? x : x * (x + 3.0f) / 6.0f;
  }
  NN_HD float gradient(float gy, float x) const {
    return x <= -3.0f ? 0.0f : x >= 3.0f ? gy : gy * (x / 3.0f + 0.5f);
  }
};

struct Exp {
  NN_HD float value(float x) const { return exp(x); }
  NN_HD float gradient(float gy, float y) const { return gy * y; }
};

struct Log {
  NN_HD float value(float x) const { return log(x); }
  NN_HD float gradient(float gy, float x) const { return gy / x; }
};

struct Sqrt {
  NN_HD float value(float x) const { return std::sqrt(x); }
  NN_HD float gradient(float gy, float y) const { return gy / (2.0f * y); }
};

/// 1 / sqrt(x).
struct Rsqrt {
  NN_HD float value(float x) const { return 1.0f / std::sqrt(x); }
  NN_HD float gradient(float gy, float y) const { return -0.5f * gy * (y * y * y); }
};

struct Square {
  NN_HD float value(float x) const { return x * x; }
  NN_HD float gradient(float gy, float x) const { return gy * (2.0f * x); }
};

struct Abs {
  NN_HD float value(float x) const { return x < 0.0f ? -x : x == 0.0f ? 0.0f : x; }
  NN_HD float gradient(float gy, float x) const { return x < 0.0f ? -gy : x > 0.0f ? gy : gy * x; }
};

struct Neg {
  NN_HD float value(float x) const { return -x; }
  NN_HD float gradient(float gy, float) const { return -gy; }
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
