// Compiled without fused multiply-adds, which JavaScript has not.
#include "math/random_stream.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace neuronode::math {

namespace {

constexpr double kLn2 = 0.6931471805599453;
constexpr double kHalfPi = 1.5707963267948966;
constexpr float kTwoPi = 6.2831853071795864f;
constexpr size_t kBlock = 16;

// log(x) of x > 0, to 1e-12.
double logarithm(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  double exponent = static_cast<double>(static_cast<int64_t>(bits >> 52) - 1023);
  double m = std::bit_cast<double>((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  const bool large = m > 1.4142135623730951;
  m = large ? m * 0.5 : m;
  exponent = large ? exponent + 1 : exponent;
  const double s = (m - 1) / (m + 1);
  const double q = s * s;
  const double series =
      1 + q * (1.0 / 3 +
               q * (1.0 / 5 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13))))));
  return exponent * kLn2 + 2 * s * series;
}

struct SinCos {
  double sin, cos;
};

// Of an angle from 0 to 2 pi, to 1e-11.
SinCos sinCos(double angle) {
  const int quadrant = static_cast<int>(angle / kHalfPi + 0.5);
  const double r = angle - quadrant * kHalfPi;
  const double q = r * r;
  const double s =
      r * (1 + q * (-1.0 / 6 + q * (1.0 / 120 + q * (-1.0 / 5040 +
                                                     q * (1.0 / 362880 + q * (-1.0 / 39916800))))));
  const double c =
      1 + q * (-1.0 / 2 +
               q * (1.0 / 24 + q * (-1.0 / 720 + q * (1.0 / 40320 + q * (-1.0 / 3628800 +
                                                                         q * (1.0 / 479001600))))));
  const double sine = quadrant & 1 ? c : s;
  const double cosine = quadrant & 1 ? s : c;
  return {quadrant & 2 ? -sine : sine, (quadrant + 1) & 2 ? -cosine : cosine};
}

// 16 uniform numbers become 16 normal ones, by Box and Muller, with PyTorch's roundings to f32.
void boxMuller(float* values, double mean, double std) {
  for (size_t j = 0; j < kBlock / 2; ++j) {
    const auto log = static_cast<float>(logarithm(1.0 - values[j]));
    const auto radius = static_cast<float>(std::sqrt(static_cast<double>(-2 * log)));
    const float angle = kTwoPi * values[j + 8];
    const auto [sin, cos] = sinCos(angle);
    const float first = radius * static_cast<float>(cos);
    const float second = radius * static_cast<float>(sin);
    values[j] = static_cast<float>(first * std + mean);
    values[j + 8] = static_cast<float>(second * std + mean);
  }
}

// Whether a uniform number refuses a candidate: log(accept) > log(density / its largest).
bool refuses(float accept, float candidate, const TruncatedNormal& normal, double logPeak) {
  const float distance = candidate - static_cast<float>(normal.mean);
  const float z = distance / static_cast<float>(normal.std);
  const float square = z * z;
  const float density = square * -0.5f - static_cast<float>(logPeak);
  return accept > 0 && static_cast<float>(logarithm(accept)) > density;
}

}  // namespace

void RandomStream::fill(float* out, size_t count, const Distribution& distribution) {
  if (const auto* uniform = std::get_if<Uniform>(&distribution)) {
    bits.fillUniform(out, count, uniform->from, uniform->to);
  } else if (const auto* normal = std::get_if<Normal>(&distribution)) {
    fillNormal(out, count, *normal);
  } else {
    fillTruncated(out, count, std::get<TruncatedNormal>(distribution));
  }
}

// Gives every element its number once, by take(at, values, n). Up to 15 elements are drawn one by
// one; more in blocks of 16, and where those leave a rest, the last 16 elements are drawn again.
template <typename Take>
void RandomStream::drawNormal(size_t count, const Normal& normal, const Take& take) {
  const double mean = static_cast<float>(normal.mean), std = static_cast<float>(normal.std);
  if (count < kBlock) {
    for (size_t i = 0; i < count; ++i) {
      const auto value = static_cast<float>(nextNormal() * normal.std + normal.mean);
      take(i, &value, 1);
    }
    return;
  }
  float block[kBlock];
  const size_t rest = count % kBlock;
  const size_t kept = rest == 0 ? count : count - kBlock;  // elements that are not drawn again
  for (size_t i = 0; i + kBlock <= count; i += kBlock) {
    bits.fillUniform(block, kBlock, 0, 1);
    boxMuller(block, mean, std);
    take(i, block, std::min(kBlock, kept - i));
  }
  if (rest == 0) return;
  bits.fillUniform(block, rest, 0, 1);  // of elements that are drawn again
  bits.fillUniform(block, kBlock, 0, 1);
  boxMuller(block, mean, std);
  take(kept, block, kBlock);
}

void RandomStream::fillNormal(float* out, size_t count, const Normal& normal) {
  drawNormal(count, normal,
             [out](size_t at, const float* values, size_t n) { std::copy_n(values, n, out + at); });
}

void RandomStream::fillTruncated(float* out, size_t count, const TruncatedNormal& truncated) {
  if (!truncated.byNormals) return fillAccepted(out, count, truncated);
  const Normal normal{truncated.mean, truncated.std};
  const auto low = static_cast<float>(truncated.from), high = static_cast<float>(truncated.to);
  const auto inside = [low, high](float value) { return !(value < low || value > high); };
  fillNormal(out, count, normal);
  while (!std::all_of(out, out + count, inside)) {
    drawNormal(count, normal, [out, &inside](size_t at, const float* values, size_t n) {
      for (size_t i = 0; i < n; ++i) {
        if (!inside(out[at + i])) out[at + i] = values[i];
      }
    });
  }
}

// All candidates are drawn, and then all the numbers that accept them: two places of one stream.
void RandomStream::fillAccepted(float* out, size_t count, const TruncatedNormal& normal) {
  const double mode = std::max(normal.from, std::min(normal.mean, normal.to));
  const double z = (mode - normal.mean) / normal.std;
  const double logPeak = -0.5 * (z * z);
  const float pending = std::numeric_limits<float>::quiet_NaN();
  std::fill_n(out, count, pending);
  for (bool more = count > 0; more;) {
    more = false;
    Mt19937 accepting = bits;
    accepting.skip(count);
    for (size_t i = 0; i < count; ++i) {
      float candidate, accept;
      bits.fillUniform(&candidate, 1, normal.from, normal.to);
      accepting.fillUniform(&accept, 1, 0, 1);
      if (!std::isnan(out[i])) continue;
      if (refuses(accept, candidate, normal, logPeak)) {
        more = true;
      } else {
        out[i] = candidate;
      }
    }
    bits = accepting;
  }
}

double RandomStream::nextNormal() {
  if (!std::isnan(spare)) {
    const double value = spare;
    spare = std::numeric_limits<double>::quiet_NaN();
    return value;
  }
  const double u1 = nextDouble();
  const double u2 = nextDouble();
  const double radius = std::sqrt(-2 * logarithm(1 - u2));
  const auto [sin, cos] = sinCos(2 * (2 * kHalfPi) * u1);
  spare = radius * sin;
  return radius * cos;
}

// 53 random bits as a fraction.
double RandomStream::nextDouble() {
  const uint64_t high = bits.draw();
  const uint64_t low = bits.draw();
  const uint64_t both = ((high << 32) | low) & ((uint64_t{1} << 53) - 1);
  return static_cast<double>(both) / 9007199254740992.0;
}

}  // namespace neuronode::math
