// The pieces of softmax and cross-entropy that follow a row's maximum and the sum of its
// exponentials; how a row is reduced is each device's own affair.
#pragma once

#include <cmath>
#include <cstdint>

#include "math/activation.h"
#include "math/macros.h"

namespace neuronode::math {

/// e^(x - max), at most 1.
NN_HD float softmaxTerm(float x, float rowMax) { return exp(x - rowMax); }

/// What an element adds to its row's sum in softmax's gradient, or in its logarithm's.
template <bool kLog>
NN_HD float softmaxGradTerm(float gy, float y) {
  return kLog ? gy : gy * y;
}

/// d loss / d x from the output y and the row's sum of those terms.
template <bool kLog>
NN_HD float softmaxGrad(float gy, float y, float sum) {
  return kLog ? gy - exp(y) * sum : y * (gy - sum);
}

/// -log softmax[label].
NN_HD double crossEntropyRow(float labelLogit, float rowMax, double termSum) {
  return std::log(termSum) - (static_cast<double>(labelLogit) - static_cast<double>(rowMax));
}

/// d loss / d logit = (softmax - [is label]) * weight, the softmax being term * inverseSum.
NN_HD float crossEntropyGrad(float term, float inverseSum, bool isLabel, float weight) {
  return (term * inverseSum - (isLabel ? 1.0f : 0.0f)) * weight;
}

/// The same where the target is spread over the classes: softmax * (sum of the parts) - part, with
/// `share` the parts' sum over the terms'.
NN_HD float spreadGrad(float term, double share, double part, float scale) {
  return static_cast<float>(term * share - part) * scale;
}

/// Whether x displaces the maximum so far: the first of equals stays, and NaN beats all numbers.
NN_HD bool isNewMaximum(float x, float best) {
  return x > best || (std::isnan(x) && !std::isnan(best));
}

/// What a row answers: the column of its maximum, or one that no label can name where that is NaN.
/// PyTorch's argmax would name the first NaN, but what is not a number is no answer.
NN_HD int64_t answerOf(int64_t best, float rowMax) { return std::isnan(rowMax) ? INT64_MIN : best; }

}  // namespace neuronode::math
