// Every optimizer, once: its options as a node's attributes give them, what a whole step shares,
// and one element's step, as PyTorch computes it (torch/optim, single-tensor, not amsgrad, not
// maximize). The operations, their checks, the CPU's loops and the CUDA kernels are made from the
// list below.
//
// Policy: scalars are combined in f64 and rounded to f32 where PyTorch hands them to a kernel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "math/macros.h"

// A row each: the operation's enumerator, its name, and the struct in math that says the rest:
//   of(attrs)         its options, from a node's attributes
//   Scalars, scalars  what all elements of a step share
//   visit(call)       calls call(Form()) with the form that these options take; a form is compiled
//                     for itself, and has
//     kStates         how many tensors of state it has
//     kFirstStepMakesStates  whether the first step only writes them
//     element         one element's step: p and its state are updated, state: [kStates]
#define NN_OPTIMIZERS(ROW)      \
  ROW(AdamStep, adamStep, Adam) \
  ROW(SgdStep, sgdStep, Sgd)    \
  ROW(RmspropStep, rmspropStep, Rmsprop)

namespace neuronode::math {

/// Of any optimizer.
inline constexpr int kMostStates = 3;

/// Layouts may hold padding, whose zero state must not become 0/0. No other quotient notices.
inline double positiveEps(double eps) { return std::max(eps, 1e-37); }

/// torch.lerp, which takes the form that is exact at the end nearer to its weight.
NN_HD float lerp(float from, float to, float weight) {
  return weight < 0.5f ? from + weight * (to - from) : to - (to - from) * (1.0f - weight);
}

enum class Decay { None, Coupled, Decoupled };

/// Adam and AdamW. State: the running means of the gradient (exp_avg) and its square (exp_avg_sq).
struct Adam {
  double beta1;
  double beta2;
  double eps;
  double weightDecay;
  bool decoupled;  // AdamW: p *= 1 - lr * weightDecay, instead of g += weightDecay * p

  template <class Attrs>
  static Adam of(const Attrs& attrs) {
    return {.beta1 = attrs.number("beta1"),
            .beta2 = attrs.number("beta2"),
            .eps = positiveEps(attrs.number("eps")),
            .weightDecay = attrs.number("weightDecay"),
            .decoupled = attrs.flag("decoupled")};
  }

  struct Scalars {
    float gradWeight;       // 1 - beta1, the weight of g in m
    float beta2;            //
    float squareWeight;     // 1 - beta2, the weight of g*g in v
    float correction2Sqrt;  // sqrt(1 - beta2^step)
    float eps;              //
    float stepSize;         // -lr / (1 - beta1^step)
    float decay;            // weightDecay, or 1 - lr * weightDecay if decoupled
  };

  NN_HD Scalars scalars(int64_t step, double lr) const {
    const double correction1 = 1.0 - std::pow(beta1, static_cast<double>(step));
    const double correction2 = 1.0 - std::pow(beta2, static_cast<double>(step));
    return {static_cast<float>(1.0 - beta1),
            static_cast<float>(beta2),
            static_cast<float>(1.0 - beta2),
            static_cast<float>(std::sqrt(correction2)),
            static_cast<float>(eps),
            static_cast<float>(-(lr / correction1)),
            static_cast<float>(decoupled ? 1.0 - lr * weightDecay : weightDecay)};
  }

  template <Decay kDecay>
  struct Form {
    using Options = Adam;
    static constexpr int kStates = 2;
    static constexpr bool kFirstStepMakesStates = false;

    NN_HD static void element(float& p, float g, float* state, const Scalars& s, bool) {
      float &m = state[0], &v = state[1];
      if constexpr (kDecay == Decay::Decoupled) p *= s.decay;
      if constexpr (kDecay == Decay::Coupled) g += s.decay * p;
      m = lerp(m, g, s.gradWeight);
      v = v * s.beta2 + s.squareWeight * g * g;
      const float denominator = std::sqrt(v) / s.correction2Sqrt + s.eps;
      p += s.stepSize * m / denominator;
    }
  };

  template <class Call>
  void visit(const Call& call) const {
    if (weightDecay == 0.0) {
      call(Form<Decay::None>());
    } else if (decoupled) {
      call(Form<Decay::Decoupled>());
    } else {
      call(Form<Decay::Coupled>());
    }
  }
};

/// Stochastic gradient descent. State, with momentum: its buffer, which the first step sets to the
/// gradient.
struct Sgd {
  double momentum;
  double dampening;
  double weightDecay;
  bool nesterov;

  template <class Attrs>
  static Sgd of(const Attrs& attrs) {
    return {.momentum = attrs.number("momentum"),
            .dampening = attrs.number("dampening"),
            .weightDecay = attrs.number("weightDecay"),
            .nesterov = attrs.flag("nesterov")};
  }

  struct Scalars {
    float negativeLr;
    float momentum;
    float gradWeight;  // 1 - dampening
    float decay;
    bool decays;
    bool nesterov;
  };

  NN_HD Scalars scalars(int64_t, double lr) const {
    return {static_cast<float>(-lr),
            static_cast<float>(momentum),
            static_cast<float>(1.0 - dampening),
            static_cast<float>(weightDecay),
            weightDecay != 0.0,
            nesterov};
  }

  template <bool kMomentum>
  struct Form {
    using Options = Sgd;
    static constexpr int kStates = kMomentum ? 1 : 0;
    static constexpr bool kFirstStepMakesStates = true;

    NN_HD static void element(float& p, float g, [[maybe_unused]] float* state, const Scalars& s,
                              [[maybe_unused]] bool isFirst) {
      if (s.decays) g += s.decay * p;
      if constexpr (kMomentum) {
        const float buffer = isFirst ? g : state[0] * s.momentum + s.gradWeight * g;
        state[0] = buffer;
        g = s.nesterov ? g + s.momentum * buffer : buffer;
      }
      p += s.negativeLr * g;
    }
  };

  template <class Call>
  void visit(const Call& call) const {
    if (momentum == 0.0) {
      call(Form<false>());
    } else {
      call(Form<true>());
    }
  }
};

/// RMSprop. State: the running mean of the gradient's square; with momentum its buffer; centered,
/// the running mean of the gradient.
struct Rmsprop {
  double alpha;
  double eps;
  double weightDecay;
  double momentum;
  bool centered;

  template <class Attrs>
  static Rmsprop of(const Attrs& attrs) {
    return {.alpha = attrs.number("alpha"),
            .eps = positiveEps(attrs.number("eps")),
            .weightDecay = attrs.number("weightDecay"),
            .momentum = attrs.number("momentum"),
            .centered = attrs.flag("centered")};
  }

  struct Scalars {
    float negativeLr;
    float alpha;
    float gradWeight;  // 1 - alpha, the weight of g and of g*g in their means
    float eps;
    float momentum;
    float decay;
    bool decays;
  };

  NN_HD Scalars scalars(int64_t, double lr) const {
    return {static_cast<float>(-lr), static_cast<float>(alpha),    static_cast<float>(1.0 - alpha),
            static_cast<float>(eps), static_cast<float>(momentum), static_cast<float>(weightDecay),
            weightDecay != 0.0};
  }

  template <bool kMomentum, bool kCentered>
  struct Form {
    using Options = Rmsprop;
    static constexpr int kStates = 1 + kMomentum + kCentered;
    static constexpr bool kFirstStepMakesStates = false;

    NN_HD static void element(float& p, float g, float* state, const Scalars& s, bool) {
      if (s.decays) g += s.decay * p;
      float variance = state[0] = state[0] * s.alpha + s.gradWeight * g * g;
      if constexpr (kCentered) {
        float& mean = state[kStates - 1];
        mean = lerp(mean, g, s.gradWeight);
        variance -= mean * mean;
      }
      const float denominator = std::sqrt(variance) + s.eps;
      if constexpr (kMomentum) {
        state[1] = state[1] * s.momentum + g / denominator;
        p += s.negativeLr * state[1];
      } else {
        p += s.negativeLr * g / denominator;
      }
    }
  };

  template <class Call>
  void visit(const Call& call) const {
    if (momentum == 0.0) {
      centered ? call(Form<false, true>()) : call(Form<false, false>());
    } else {
      centered ? call(Form<true, true>()) : call(Form<true, false>());
    }
  }
};

/// How many tensors of state an optimizer has for each parameter.
template <class Options>
int stateCount(const Options& options) {
  int count = 0;
  options.visit([&](auto form) {
    static_assert(form.kStates <= kMostStates);
    count = form.kStates;
  });
  return count;
}

}  // namespace neuronode::math
