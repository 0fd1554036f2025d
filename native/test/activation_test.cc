// Every activation's gradient against differences of its value.
#include "math/activation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace neuronode {
namespace {

enum class Reads { Output, Input };

// At points that are no corner of a piecewise formula.
template <class Formula>
void expectGradient(Reads reads, float parameter) {
  const auto formula = math::activation<Formula>(parameter);
  constexpr float kGradient = 1.5f, kStep = 1.0f / 256;
  for (float x = -4.03125f; x < 4.0f; x += 0.25f) {
    const float slope = (formula.value(x + kStep) - formula.value(x - kStep)) / (2 * kStep);
    const float from = reads == Reads::Output ? formula.value(x) : x;
    EXPECT_NEAR(formula.gradient(kGradient, from), kGradient * slope, 2e-4f) << "at " << x;
  }
}

#define NN_ACTIVATION_ROW(Formula, name, reads, attribute)                             \
  TEST(ActivationGradient, Formula) {                                                  \
    for (float parameter : {0.25f, 1.0f}) {                                            \
      expectGradient<math::Formula>(Reads::reads, *attribute == 0 ? 0.0f : parameter); \
    }                                                                                  \
  }
NN_ACTIVATIONS(NN_ACTIVATION_ROW)

}  // namespace
}  // namespace neuronode
