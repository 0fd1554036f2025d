// Optimizer steps against PyTorch's values and against float64 over odd sizes.
#include "cpu/optimizer/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;

class Optimizer : public IsaTest {
 protected:
  const OptimizerKernels& kernels_ = optimizerKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, Optimizer, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

// The constants below come from PyTorch 2.15.0 (CPU, float32):
//
//   def run(make, grads, start):
//       p = torch.tensor(start, requires_grad=True); opt = make([p])
//       for g in grads:
//           p.grad = torch.tensor(g); opt.step()
//       return p.detach()
//   O = torch.optim
//   kAdam        O.Adam(p, lr=0.01, foreach=False)
//   kAdamDecay   O.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1, foreach=False)
//   kAdamHeavy   O.Adam(p, lr=0.01, betas=(0.3, 0.9), foreach=False)
//   kAdamW       O.AdamW(p, lr=0.01, weight_decay=0.05, foreach=False)
//   kSgd         O.SGD(p, lr=0.1, weight_decay=0.02, foreach=False)
//   kSgdMomentum O.SGD(p, lr=0.1, momentum=0.9, dampening=0.25, foreach=False)
//   kSgdNesterov O.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.02, foreach=False)
//   kRmsprop     O.RMSprop(p, foreach=False), below with
//     Momentum   alpha=0.9, eps=1e-6, weight_decay=0.1, momentum=0.8
//     Centered   alpha=0.4, eps=1e-3, centered=True
//     Both       alpha=0.9, eps=1e-3, weight_decay=0.1, momentum=0.8, centered=True
using Values = std::vector<float>;
const Values kStart{0.5f, -1.25f, 2.0f, 0.001f, -3.5f, 0.0f, 7.25f, -0.75f, 1e-4f};
const Values kGrads[] = {{0.1f, -0.2f, 0.003f, 4.0f, -5e-4f, 0.0f, 1e-6f, -0.9f, 33.0f},
                         {-0.3f, 0.25f, 0.5f, -2.0f, 6e-4f, 1.0f, -1e-6f, 0.8f, -21.0f},
                         {0.05f, 0.0f, -0.25f, 1.0f, 0.125f, -1.0f, 2e-6f, 0.7f, 5.0f}};
const Values kAdam{0.4977169f,     -1.2428852f, 1.9802043f,  -0.015067661f, -3.4978244f,
                   -0.0069895457f, 7.2356725f,  -0.7431093f, -0.013635878f};
const Values kAdamDecay{0.49362448f,   -1.232443f, 1.9745888f,   -0.014212926f, -3.4704351f,
                        -0.006763081f, 7.2200027f, -0.74269885f, -0.012697911f};
const Values kAdamHeavy{0.5003118f,     -1.2486863f, 1.9815807f,  -0.009170445f, -3.5080943f,
                        -0.0045887316f, 7.2366195f,  -0.7525553f, -0.0073256283f};
const Values kAdamW{0.49697477f,   -1.2410202f, 1.9772196f,  -0.015057831f, -3.4925861f,
                    -0.006985825f, 7.224812f,   -0.7419948f, -0.013625203f};
const Values kSgd{0.51198596f,    -1.2475449f, 1.9628252f,   -0.2978076f, -3.491552f,
                  0.00019999743f, 7.2065864f,  -0.80570865f, -1.6909142f};
const Values kSgdMomentum{0.5119f,       -1.2314249f, 1.9466869f,  -0.873f, -3.509325f,
                          -0.067499995f, 7.25f,       -0.6726001f, -6.3254f};
const Values kSgdNesterov{0.5293779f,   -1.2291478f, 1.8792506f,  -1.0158327f, -3.4675927f,
                          -0.08027799f, 7.133692f,   -0.7795318f, -6.5548873f};

const Values kRmsprop{0.4792141f,   -1.2282398f, 1.8449057f, -0.07610908f, -3.576988f,
                      -0.02911187f, 7.146651f,   -0.767174f, -0.05880762f};
const Values kRmspropMomentum{0.46195322f,   -1.1834441f, 1.8706759f,  -0.057103273f, -3.368183f,
                              -0.033945017f, 7.112529f,   -0.7235632f, -0.049722526f};
const Values kRmspropCentered{0.49338204f,  -1.2427766f, 1.9754673f,  -0.017289938f, -3.5201952f,
                              -0.00852042f, 7.24998f,    -0.7548316f, -0.01429767f};
const Values kRmspropBoth{0.45955634f,   -1.179938f, 1.863696f,   -0.061163303f, -3.35849f,
                          -0.036869176f, 7.1011214f, -0.7196876f, -0.05383304f};

/// Within a few roundings; the absolute part covers what cancels.
void expectClose(const Values& got, const Values& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], want[i], 2.5e-7 * std::abs(want[i]) + 2e-8) << i;
  }
}

/// The parameter after three steps; `start` is what the state begins with.
template <class Options>
Values steps(const OptimizerKernels& kernels, const Options& options, double lr,
             float start = 0.0f) {
  const int64_t n = static_cast<int64_t>(kStart.size());
  Guarded<float> p(kStart), a(Values(n, start)), b(Values(n, start)), c(Values(n, start));
  OptimizerUpdate update{.param = p.data(), .grad = nullptr, .states = {}, .count = n, .lr = lr};
  // Of state that its options do not ask for, it must know nothing.
  float* const states[] = {a.data(), b.data(), c.data()};
  std::copy_n(states, math::stateCount(options), update.states.begin());
  for (update.step = 1; update.step <= 3; ++update.step) {
    Guarded<float> g(kGrads[update.step - 1]);
    update.grad = g.data();
    kernels.run(update, options);
    EXPECT_EQ(g.values(), kGrads[update.step - 1]);
  }
  return p.values();
}

Values adamSteps(const OptimizerKernels& kernels, const math::Adam& options) {
  return steps(kernels, options, 0.01);
}

Values sgdSteps(const OptimizerKernels& kernels, const math::Sgd& options) {
  return steps(kernels, options, 0.1, std::nanf(""));  // garbage: the first step must not read it
}

TEST_P(Optimizer, AdamAsPyTorch) {
  expectClose(adamSteps(kernels_, {0.9, 0.999, 1e-8, 0.0, false}), kAdam);
  expectClose(adamSteps(kernels_, {0.8, 0.95, 1e-6, 0.1, false}), kAdamDecay);
  expectClose(adamSteps(kernels_, {0.3, 0.9, 1e-8, 0.0, false}), kAdamHeavy);
  expectClose(adamSteps(kernels_, {0.9, 0.999, 1e-8, 0.05, true}), kAdamW);
}

TEST_P(Optimizer, SgdAsPyTorch) {
  expectClose(sgdSteps(kernels_, {0.0, 0.0, 0.02, false}), kSgd);
  expectClose(sgdSteps(kernels_, {0.9, 0.25, 0.0, false}), kSgdMomentum);
  expectClose(sgdSteps(kernels_, {0.9, 0.0, 0.02, true}), kSgdNesterov);
}

TEST_P(Optimizer, AdamAgainstFloat64) {
  for (int64_t n : {0, 1, 7, 8, 9, 1000003}) {
    for (int decay = 0; decay < 3; ++decay) {
      const math::Adam o{0.9, 0.999, 1e-8, decay == 0 ? 0.0 : 0.1, decay == 2};
      const int64_t step = 7;
      const double lr = 0.01;
      const auto p0 = randomFloats(n, -1, 1, 1), g0 = randomFloats(n, -1, 1, 2);
      const auto m0 = randomFloats(n, -1, 1, 3), v0 = randomFloats(n, 0, 1, 4);
      const auto all = sameForThreads([&] {
        Guarded<float> p(p0), g(g0), m(m0), v(v0);
        kernels_.run({p.data(), g.data(), {m.data(), v.data()}, n, step, lr}, o);
        auto out = p.values();
        for (float x : m.values()) out.push_back(x);
        for (float x : v.values()) out.push_back(x);
        return out;
      });
      for (int64_t i = 0; i < n; ++i) {
        double p = p0[i], g = g0[i];
        if (decay == 1) g += 0.1 * p;
        if (decay == 2) p *= 1 - lr * 0.1;
        const double m = 0.9 * m0[i] + 0.1 * g, v = 0.999 * v0[i] + 0.001 * g * g;
        const double mHat = m / (1 - std::pow(0.9, 7)), vHat = v / (1 - std::pow(0.999, 7));
        p -= lr * mHat / (std::sqrt(vHat) + 1e-8);
        ASSERT_NEAR(all[i], p, 3e-7) << i;
        ASSERT_NEAR(all[n + i], m, 3e-7) << i;
        ASSERT_NEAR(all[2 * n + i], v, 3e-7) << i;
      }
    }
  }
}

TEST_P(Optimizer, SgdAgainstFloat64) {
  for (int64_t n : {0, 1, 7, 8, 9, 70001}) {
    for (int kind = 0; kind < 8; ++kind) {
      const bool momentum = kind % 2, nesterov = momentum && kind / 2 % 2, decay = kind / 4;
      const math::Sgd o{momentum ? 0.9 : 0.0, momentum && !nesterov ? 0.5 : 0.0, decay ? 0.1 : 0.0,
                        nesterov};
      const auto p0 = randomFloats(n, -1, 1, 1), g0 = randomFloats(n, -1, 1, 2);
      const auto b0 = randomFloats(n, -1, 1, 3);
      for (int64_t step : {1, 2}) {
        const auto all = sameForThreads([&] {
          Guarded<float> p(p0), g(g0), b(b0);
          kernels_.run({p.data(), g.data(), {momentum ? b.data() : nullptr}, n, step, 0.1}, o);
          auto out = p.values();
          for (float x : b.values()) out.push_back(x);
          return out;
        });
        for (int64_t i = 0; i < n; ++i) {
          double g = g0[i] + o.weightDecay * p0[i], b = b0[i];
          if (momentum) {
            b = step == 1 ? g : 0.9 * b + (1 - o.dampening) * g;
            g = nesterov ? g + 0.9 * b : b;
          }
          ASSERT_NEAR(all[i], p0[i] - 0.1 * g, 3e-7) << i;
          ASSERT_NEAR(all[n + i], b, 4e-7) << i;
        }
      }
    }
  }
}

TEST_P(Optimizer, RmspropAsPyTorch) {
  expectClose(steps(kernels_, math::Rmsprop{0.99, 1e-8, 0.0, 0.0, false}, 0.01), kRmsprop);
  expectClose(steps(kernels_, math::Rmsprop{0.9, 1e-6, 0.1, 0.8, false}, 0.01), kRmspropMomentum);
  expectClose(steps(kernels_, math::Rmsprop{0.4, 1e-3, 0.0, 0.0, true}, 0.01), kRmspropCentered);
  expectClose(steps(kernels_, math::Rmsprop{0.9, 1e-3, 0.1, 0.8, true}, 0.01), kRmspropBoth);
}

TEST_P(Optimizer, RmspropAgainstFloat64) {
  for (int64_t n : {0, 1, 7, 8, 9, 70001}) {
    for (int kind = 0; kind < 8; ++kind) {
      const bool momentum = kind % 2, centered = kind / 2 % 2, decay = kind / 4;
      const math::Rmsprop o{0.9, 1e-2, decay ? 0.1 : 0.0, momentum ? 0.8 : 0.0, centered};
      const auto p0 = randomFloats(n, -1, 1, 1), g0 = randomFloats(n, -1, 1, 2);
      // The mean's square stays below the mean of the squares, as in every training.
      const auto v0 = randomFloats(n, 1, 2, 3), b0 = randomFloats(n, -1, 1, 4);
      const auto m0 = randomFloats(n, -0.5, 0.5, 5);
      const auto all = sameForThreads([&] {
        Guarded<float> p(p0), g(g0), v(v0), b(b0), m(m0);
        float* const third = momentum ? m.data() : nullptr;
        float* const second = momentum ? b.data() : m.data();
        kernels_.run({p.data(), g.data(), {v.data(), second, third}, n, 5, 0.1}, o);
        auto out = p.values();
        for (const auto& state : {v.values(), b.values(), m.values()}) {
          out.insert(out.end(), state.begin(), state.end());
        }
        return out;
      });
      for (int64_t i = 0; i < n; ++i) {
        const double g = g0[i] + o.weightDecay * p0[i];
        const double v = 0.9 * v0[i] + 0.1 * g * g;
        const double m = centered ? 0.9 * m0[i] + 0.1 * g : m0[i];
        const double along = g / (std::sqrt(centered ? v - m * m : v) + 1e-2);
        const double b = momentum ? 0.8 * b0[i] + along : b0[i];
        ASSERT_NEAR(all[i], p0[i] - 0.1 * (momentum ? b : along), 3e-7) << i;
        ASSERT_NEAR(all[n + i], v, 4e-7) << i;
        ASSERT_NEAR(all[2 * n + i], b, 6e-7) << i;
        ASSERT_NEAR(all[3 * n + i], m, 3e-7) << i;
      }
    }
  }
}

TEST_P(Optimizer, ZeroPaddingStaysZero) {
  Guarded<float> p(Values(9, 0.0f)), g(Values(9, 0.0f)), m(Values(9, 0.0f)), v(Values(9, 0.0f));
  for (bool decoupled : {false, true}) {
    const math::Adam options{0.9, 0.999, 1e-8, 0.1, decoupled};
    kernels_.run({p.data(), g.data(), {m.data(), v.data()}, 9, 1, 0.1}, options);
    EXPECT_EQ(p.values(), Values(9, 0.0f));
  }
}

}  // namespace
}  // namespace neuronode
