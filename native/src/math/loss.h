// How losses are put together, and one element of each element-wise loss and of its gradient with
// respect to the input, for the CPU's loops and CUDA's kernels. Formulas: PyTorch's.
#pragma once

#include <cmath>
#include <cstdint>

#include "math/activation.h"
#include "math/macros.h"

// The element-wise losses, a row each: the formula's name, which is the operation's enumerator, and
// the operation's name.
#define NN_ELEMENT_LOSSES(ROW)    \
  ROW(MseLoss, mseLoss)           \
  ROW(L1Loss, l1Loss)             \
  ROW(SmoothL1Loss, smoothL1Loss) \
  ROW(BinaryCrossEntropyWithLogits, binaryCrossEntropyWithLogits)

namespace neuronode {

// What becomes of the examples' losses: the attribute `reduction`.
enum class Reduction : uint8_t { Mean = 0, Sum = 1, None = 2 };

// Weights that repeat over the examples: element e of an example has at[e / inner % length].
struct RepeatedWeights {
  const float* at = nullptr;  // null: all are 1
  int64_t inner = 1;
  int64_t length = 1;
};

namespace math {

/// What a gradient is multiplied by where the loss is divided by `divisor`. Where nothing counts
/// there is no gradient either, and it is 1.
NN_HD float meanScale(double divisor) {
  return divisor == 0.0 ? 1.0f : static_cast<float>(1.0 / divisor);
}

/// log(1 + e) for e from 0 to 1, as 2 atanh(e / (2 + e)), within 1e-7 of the result. Written out
/// because compilers do not vectorise calls of log1pf.
NN_HD float logOnePlus(float e) {
  const float z = e / (2.0f + e);
  const float s = z * z;
  float p = 1.0f / 15.0f;
  p = p * s + 1.0f / 13.0f;
  p = p * s + 1.0f / 11.0f;
  p = p * s + 1.0f / 9.0f;
  p = p * s + 1.0f / 7.0f;
  p = p * s + 1.0f / 5.0f;
  p = p * s + 1.0f / 3.0f;
  return 2.0f * (z + z * s * p);
}

/// -1, 0 or 1; NaN stays NaN.
NN_HD float signOf(float x) { return x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : x); }

struct MseLoss {
  NN_HD static float value(float x, float target, float) { return (x - target) * (x - target); }
  NN_HD static float gradient(float x, float target, float) { return 2.0f * (x - target); }
};

struct L1Loss {
  NN_HD static float value(float x, float target, float) { return std::fabs(x - target); }
  NN_HD static float gradient(float x, float target, float) { return signOf(x - target); }
};

/// The parameter is beta; 0 makes it L1Loss.
struct SmoothL1Loss {
  NN_HD static float value(float x, float target, float beta) {
    const float size = std::fabs(x - target);
    return size < beta ? 0.5f * size * size / beta : size - 0.5f * beta;
  }
  NN_HD static float gradient(float x, float target, float beta) {
    const float difference = x - target;
    return std::fabs(difference) < beta ? difference / beta : signOf(difference);
  }
};

/// target * weight * log(1 + e^-x) + (1 - target) * log(1 + e^x); the parameter is the weight of
/// what is positive. Neither sum cancels, however large x is.
struct BinaryCrossEntropyWithLogits {
  NN_HD static float value(float x, float target, float weight) {
    const float rest = logOnePlus(exp(-std::fabs(x)));
    const float ifPositive = x < 0.0f ? rest - x : rest;
    const float ifNegative = x < 0.0f ? rest : rest + x;
    return weight * target * ifPositive + (1.0f - target) * ifNegative;
  }
  NN_HD static float gradient(float x, float target, float weight) {
    const float e = exp(-std::fabs(x));
    const float large = 1.0f / (1.0f + e), small = e * large;
    const float sigmoid = x < 0.0f ? small : large, opposite = x < 0.0f ? large : small;
    return (1.0f - target) * sigmoid - weight * target * opposite;
  }
};

}  // namespace math
}  // namespace neuronode
