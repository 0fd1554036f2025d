// Every activation's gradient against differences of its value.
#include "math/activation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace neuronode {
namespace {

enum class Reads { Output, Input };

// At points that are no corner of a piecewise formula.
template <class Formula>
void expectGradient(Reads reads, float parameter) {
  const auto formula = math::activation<Formula>(parameter);
  constexpr float kGradient = 1.5f, kStep = 1.0f / 256;
  for (float x = -4.03125f; x < 4.0f; x += 0.25f) {
    // Roots and logarithms have none below zero.
    if (!std::isfinite(formula.value(x - kStep))) continue;
    const float slope = (formula.value(x + kStep) - formula.value(x - kStep)) / (2 * kStep);
    const float from = reads == Reads::Output ? formula.value(x) : x;
    const float bound = 4e-4f * std::max(1.0f, std::abs(slope));
    EXPECT_NEAR(formula.gradient(kGradient, from), kGradient * slope, bound) << "at " << x;
  }
}

#define NN_ACTIVATION_ROW(Formula, name, reads, attribute)                             \
  TEST(ActivationGradient, Formula) {                                                  \
    for (float parameter : {0.25f, 1.0f}) {                                            \
      expectGradient<math::Formula>(Reads::reads, *attribute == 0 ? 0.0f : parameter); \
    }                                                                                  \
  }
NN_ACTIVATIONS(NN_ACTIVATION_ROW)

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Units in the last place of the wanted value, or of `least`.
double worstUnits(const std::function<float(float)>& ours,
                  const std::function<double(double)>& wanted, double from, double to,
                  double least = 0) {
  double worst = 0;
  constexpr int kPoints = 200000;
  for (int i = 0; i <= kPoints; ++i) {
    const auto x = static_cast<float>(from + (to - from) * i / kPoints);
    const double want = wanted(x), size = std::max(std::abs(want), least);
    if (size < std::numeric_limits<float>::min()) continue;
    worst = std::max(worst, std::abs(ours(x) - want) / std::ldexp(1.0, std::ilogb(size) - 23));
  }
  return worst;
}

TEST(ElementaryFunctions, AreWithinTheirUnits) {
  const auto of = [](auto function) { return [function](auto x) { return function(x); }; };
  for (const double most : {1e-30, 1e-7, 1e-3, 1.0}) {
    EXPECT_LT(worstUnits(of([](float x) { return math::log1p(x); }),
                         of([](double x) { return std::log1p(x); }), 0, most),
              2.5);
  }
  EXPECT_LT(worstUnits(of([](float x) { return math::expm1(x); }),
                       of([](double x) { return std::expm1(x); }), -20, 20),
            3.5);
  EXPECT_LT(worstUnits(of([](float x) { return math::tanh(x); }),
                       of([](double x) { return std::tanh(x); }), -12, 12),
            2);
  EXPECT_LT(worstUnits(of([](float x) { return math::log(x); }),
                       of([](double x) { return std::log(x); }), 1e-30, 4),
            1);
  EXPECT_LT(worstUnits(of([](float x) { return math::log(x); }),
                       of([](double x) { return std::log(x); }), 1, 3e38),
            1);
  EXPECT_LT(
      worstUnits(of([](float x) { return math::normalCdf(x); }),
                 of([](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }), -9, 9, 0.5),
      2.5);
}

TEST(ElementaryFunctions, Limits) {
  EXPECT_EQ(math::tanh(kInfinity), 1.0f);
  EXPECT_EQ(math::tanh(-kInfinity), -1.0f);
  EXPECT_TRUE(std::isnan(math::tanh(kNan)));
  EXPECT_EQ(math::log1p(0.0f), 0.0f);
  EXPECT_EQ(math::Softplus{2.0f}.value(kInfinity), kInfinity);
  EXPECT_EQ(math::Softplus{2.0f}.value(-kInfinity), 0.0f);
  EXPECT_EQ(math::expm1(-kInfinity), -1.0f);
  EXPECT_EQ(math::expm1(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(math::expm1(kNan)));
  EXPECT_EQ(math::log(1.0f), 0.0f);
  EXPECT_EQ(math::log(0.0f), -kInfinity);
  EXPECT_EQ(math::log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(math::log(-1.0f)));
  EXPECT_TRUE(std::isnan(math::log(kNan)));
  EXPECT_FLOAT_EQ(math::log(1e-40f), static_cast<float>(std::log(double{1e-40f})));
  EXPECT_EQ(math::normalCdf(0.0f), 0.5f);
  EXPECT_EQ(math::normalCdf(kInfinity), 1.0f);
  EXPECT_EQ(math::normalCdf(-kInfinity), 0.0f);
  EXPECT_TRUE(std::isnan(math::normalCdf(kNan)));
}

// As PyTorch: a value that is no number is passed on, whatever the formula does with its sign.
#define NN_ACTIVATION_ROW_NAN(Formula, name, reads, attribute) \
  EXPECT_TRUE(std::isnan(math::activation<math::Formula>(0.5f).value(kNan))) << #name;

TEST(Activations, KeepNan) { NN_ACTIVATIONS(NN_ACTIVATION_ROW_NAN) }

}  // namespace
}  // namespace neuronode
