// One element's step of Adam, AdamW and SGD, and the scalars that a whole step shares, as PyTorch
// computes them (torch/optim/adam.py and sgd.py, single-tensor, not amsgrad, not maximize).
//
// Policy: scalars are combined in f64 and rounded to f32 where PyTorch hands them to a kernel.
#pragma once

#include <cmath>
#include <cstdint>

#include "math/macros.h"

namespace neuronode {

struct AdamOptions {
  double beta1;
  double beta2;
  double eps;
  double weightDecay;
  bool decoupled;  // AdamW: p *= 1 - lr * weightDecay, instead of g += weightDecay * p
};

struct SgdOptions {
  double momentum;
  double dampening;
  double weightDecay;
  bool nesterov;
};

namespace math {

struct AdamScalars {
  float gradWeight;       // 1 - beta1, the weight of g in m
  float beta2;            //
  float squareWeight;     // 1 - beta2, the weight of g*g in v
  float correction2Sqrt;  // sqrt(1 - beta2^step)
  float eps;              //
  float stepSize;         // -lr / (1 - beta1^step)
  float decay;            // weightDecay, or 1 - lr * weightDecay if decoupled
};

NN_HD AdamScalars adamScalars(const AdamOptions& o, int64_t step, double lr) {
  const double correction1 = 1.0 - std::pow(o.beta1, static_cast<double>(step));
  const double correction2 = 1.0 - std::pow(o.beta2, static_cast<double>(step));
  return {static_cast<float>(1.0 - o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1.0 - o.beta2),
          static_cast<float>(std::sqrt(correction2)),
          static_cast<float>(o.eps),
          static_cast<float>(-(lr / correction1)),
          static_cast<float>(o.decoupled ? 1.0 - lr * o.weightDecay : o.weightDecay)};
}

enum class Decay { None, Coupled, Decoupled };

template <Decay kDecay>
NN_HD void adamElement(float& p, float g, float& m, float& v, const AdamScalars& s) {
  if constexpr (kDecay == Decay::Decoupled) p *= s.decay;
  if constexpr (kDecay == Decay::Coupled) g += s.decay * p;
  // torch.lerp takes the form that is exact at the end nearer to its weight.
  m = s.gradWeight < 0.5f ? m + s.gradWeight * (g - m) : g - (g - m) * (1.0f - s.gradWeight);
  v = v * s.beta2 + s.squareWeight * g * g;
  const float denominator = std::sqrt(v) / s.correction2Sqrt + s.eps;
  p += s.stepSize * m / denominator;
}

struct SgdScalars {
  float negativeLr;
  float momentum;
  float gradWeight;  // 1 - dampening
  float decay;
};

NN_HD SgdScalars sgdScalars(const SgdOptions& o, double lr) {
  return {static_cast<float>(-lr), static_cast<float>(o.momentum),
          static_cast<float>(1.0 - o.dampening), static_cast<float>(o.weightDecay)};
}

/// The gradient with the coupled weight decay.
NN_HD float sgdGradient(float p, float g, const SgdScalars& s) { return g + s.decay * p; }

/// The momentum buffer's new value from its old one.
NN_HD float sgdMomentum(float buffer, float g, const SgdScalars& s) {
  return buffer * s.momentum + s.gradWeight * g;
}

/// What the parameter moves along with Nesterov momentum; without, it is the new buffer itself.
NN_HD float sgdNesterov(float buffer, float g, const SgdScalars& s) {
  return g + s.momentum * buffer;
}

}  // namespace math
}  // namespace neuronode
