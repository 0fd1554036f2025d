// Local response normalisation in every layout against float64 loops over plain NCHW, and the
// powers that it rests on.
#include "cpu/normalisation/local_response_norm.h"

#include <cmath>
#include <limits>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::fromLayout;
using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;
using testing::toLayout;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class LocalResponse : public IsaTest {
 protected:
  const LocalResponseNormKernels& kernels_ = localResponseNormKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, LocalResponse, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

struct Case {
  int64_t n, c, hw;
  LocalResponseNormOptions options;
};

const Case kCases[] = {
    {3, 96, 211, {5, 1e-4, 0.75, 2.0}},  // the original AlexNet's, enough for several threads
    {2, 19, 70, {5, 0.7, 0.75, 1.0}},
    {2, 32, 64, {4, 0.5, 0.75, 0.5}},  // one channel more before than behind
    {1, 17, 65, {1, 0.3, 0.75, 1.0}},
    {2, 3, 18, {9, 1.0, 0.75, 1.0}},   // wider than the channels
    {1, 40, 33, {34, 2.0, 0.5, 1.0}},  // across several channel blocks
    {1, 24, 16, {6, 0.4, 1.3, 1.5}},
    {2, 5, 1, {3, 0.4, 2.0, 0.25}},
    {1, 1, 129, {5, 0.4, 0.75, 1.0}},
    {1, 7, 9, {3, 0.4, 0.0, 1.0}},
};

const int kBlocks[] = {1, 8, 16};

int64_t elements(const Case& k) { return k.n * k.c * k.hw; }

/// base of every element.
std::vector<double> bases(const Case& k, const std::vector<float>& x) {
  std::vector<double> result(x.size());
  for (int64_t i = 0; i < elements(k); ++i) {
    const int64_t c = i / k.hw % k.c;
    double sum = 0.0;
    for (int64_t d = -k.options.before(); d <= k.options.after(); ++d) {
      if (c + d < 0 || c + d >= k.c) continue;
      const double value = x[i + d * k.hw];
      sum += value * value;
    }
    result[i] = k.options.k + k.options.alpha * (sum / static_cast<double>(k.options.size));
  }
  return result;
}

std::vector<float> forwardReference(const Case& k, const std::vector<float>& x) {
  const std::vector<double> base = bases(k, x);
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    y[i] = static_cast<float>(x[i] / std::pow(base[i], k.options.beta));
  }
  return y;
}

/// By the derivative of every output with respect to every input of its window.
std::vector<float> backwardReference(const Case& k, const std::vector<float>& gy,
                                     const std::vector<float>& x) {
  const auto& [size, alpha, beta, offset] = k.options;
  const std::vector<double> base = bases(k, x);
  std::vector<double> gx(x.size());
  for (int64_t i = 0; i < elements(k); ++i) {
    const int64_t c = i / k.hw % k.c;
    gx[i] += gy[i] / std::pow(base[i], beta);
    for (int64_t d = -k.options.before(); d <= k.options.after(); ++d) {
      if (c + d < 0 || c + d >= k.c) continue;
      const int64_t j = i + d * k.hw;
      gx[j] -= gy[i] * x[i] * beta * std::pow(base[i], -beta - 1.0) * 2.0 * alpha /
               static_cast<double>(size) * x[j];
    }
  }
  return {gx.begin(), gx.end()};
}

LocalResponseNorm normOf(const Case& k, int block, int64_t workers) {
  return {{k.n, k.c, k.hw, block}, k.options, workers};
}

std::vector<float> forward(const LocalResponseNormKernels& kernels, const Case& k, int block,
                           const std::vector<float>& x, int64_t workers = 3) {
  const LocalResponseNorm norm = normOf(k, block, workers);
  Guarded<float> from(toLayout(x, norm.shape)), to(norm.shape.elements());
  Guarded<float> scratch(localResponseNormScratch(norm, false));
  kernels.forward(norm, from.data(), to.data(), scratch.data());
  return fromLayout(to.values(), norm.shape);
}

std::vector<float> backward(const LocalResponseNormKernels& kernels, const Case& k, int block,
                            const std::vector<float>& gy, const std::vector<float>& x,
                            int64_t workers = 3) {
  const LocalResponseNorm norm = normOf(k, block, workers);
  Guarded<float> upper(toLayout(gy, norm.shape)), from(toLayout(x, norm.shape));
  Guarded<float> to(norm.shape.elements());
  Guarded<float> scratch(localResponseNormScratch(norm, true));
  kernels.backward(norm, upper.data(), from.data(), to.data(), scratch.data());
  return fromLayout(to.values(), norm.shape);
}

void expectNear(const std::vector<float>& got, const std::vector<float>& wanted) {
  ASSERT_EQ(got.size(), wanted.size());
  float largest = 0.0f;
  for (const float value : wanted) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(got[i], wanted[i], 2e-6f * largest) << "element " << i;
  }
}

TEST_P(LocalResponse, ForwardAndBackwardInEveryLayout) {
  for (const Case& k : kCases) {
    for (const int block : kBlocks) {
      SCOPED_TRACE(std::to_string(k.c) + " channels, size " + std::to_string(k.options.size) +
                   ", block " + std::to_string(block));
      const std::vector<float> x = randomFloats(elements(k), -3.0f, 3.0f, 1);
      const std::vector<float> gy = randomFloats(elements(k), -1.0f, 1.0f, 2);
      expectNear(sameForThreads([&] { return forward(kernels_, k, block, x); }),
                 forwardReference(k, x));
      expectNear(sameForThreads([&] { return backward(kernels_, k, block, gy, x); }),
                 backwardReference(k, gy, x));
    }
  }
}

TEST_P(LocalResponse, TheNumberOfWorkersChangesNoBit) {
  const Case& k = kCases[0];
  for (const int block : kBlocks) {
    const std::vector<float> x = randomFloats(elements(k), -3.0f, 3.0f, 1);
    const std::vector<float> gy = randomFloats(elements(k), -1.0f, 1.0f, 2);
    const auto one = forward(kernels_, k, block, x, 1);
    const auto oneBack = backward(kernels_, k, block, gy, x, 1);
    for (const int64_t workers : {2, 5, 1000}) {
      EXPECT_EQ(forward(kernels_, k, block, x, workers), one);
      EXPECT_EQ(backward(kernels_, k, block, gy, x, workers), oneBack);
    }
  }
}

TEST_P(LocalResponse, NanAndInfinityStayInTheirWindows) {
  const Case k{1, 20, 40, {5, 0.5, 0.75, 1.0}};
  const int64_t nan = 17 * k.hw + 3, infinite = 9 * k.hw + 30;
  std::vector<float> x = randomFloats(elements(k), -3.0f, 3.0f, 1);
  const std::vector<float> gy = randomFloats(elements(k), -1.0f, 1.0f, 2);
  const std::vector<float> clean = forwardReference(k, x), cleanGrad = backwardReference(k, gy, x);
  x[nan] = kNan;
  x[infinite] = kInfinity;
  for (const int block : kBlocks) {
    SCOPED_TRACE(block);
    const auto y = forward(kernels_, k, block, x), gx = backward(kernels_, k, block, gy, x);
    for (int64_t i = 0; i < elements(k); ++i) {
      const int64_t c = i / k.hw, pixel = i % k.hw;
      SCOPED_TRACE("channel " + std::to_string(c) + ", pixel " + std::to_string(pixel));
      if (pixel == 3 && std::abs(c - 17) <= 2) {
        EXPECT_TRUE(std::isnan(y[i]));
      } else if (i == infinite) {
        EXPECT_TRUE(std::isnan(y[i]));  // infinity / infinity
      } else if (pixel == 30 && std::abs(c - 9) <= 2) {
        EXPECT_EQ(y[i], 0.0f);
      } else {
        EXPECT_NEAR(y[i], clean[i], 1e-5f);
      }
      const bool reached =
          (pixel == 3 && std::abs(c - 17) <= 4) || (pixel == 30 && std::abs(c - 9) <= 4);
      if (!reached) {
        EXPECT_NEAR(gx[i], cleanGrad[i], 1e-5f);
      } else if (pixel == 3) {
        EXPECT_TRUE(std::isnan(gx[i]));
      }
    }
  }
}

TEST_P(LocalResponse, PaddingLanesStayZeroWhereNothingIsAdded) {
  const Case k{1, 9, 20, {3, 0.5, 0.75, 0.0}};  // a base of 0 in the padding lanes
  const std::vector<float> x = randomFloats(elements(k), 0.5f, 3.0f, 1);
  const std::vector<float> gy = randomFloats(elements(k), -1.0f, 1.0f, 2);
  for (const int block : kBlocks) {
    expectNear(forward(kernels_, k, block, x), forwardReference(k, x));
    expectNear(backward(kernels_, k, block, gy, x), backwardReference(k, gy, x));
  }
}

TEST(MathPower, PowersOfNumbersThatAreNotNegative) {
  for (const float exponent : {0.75f, 0.5f, -1.75f, 2.0f, 1.3f}) {
    for (float x = 1e-6f; x < 1e6f; x *= 1.01f) {
      const double wanted = std::pow(static_cast<double>(x), exponent);
      ASSERT_NEAR(math::power(x, exponent) / wanted, 1.0, 4e-6) << x << "^" << exponent;
    }
  }
  EXPECT_EQ(math::power(0.0f, 0.75f), 0.0f);
  EXPECT_EQ(math::power(0.0f, -0.5f), kInfinity);
  EXPECT_EQ(math::power(kInfinity, 0.75f), kInfinity);
  EXPECT_EQ(math::power(0.0f, 0.0f), 1.0f);
  EXPECT_EQ(math::power(kNan, 0.0f), 1.0f);
  EXPECT_TRUE(std::isnan(math::power(kNan, 0.75f)));
}

}  // namespace
}  // namespace neuronode
