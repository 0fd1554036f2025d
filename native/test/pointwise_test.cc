// Kernels that work element by element against float64, at odd sizes.
#include "cpu/pointwise/pointwise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernel_test.h"
#include "math/activation.h"

namespace neuronode {
namespace {

using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kSizes[] = {0, 1, 7, 8, 9, 31, 1000003};

class Pointwise : public IsaTest {
 protected:
  const PointwiseKernels& kernels_ = pointwiseKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, Pointwise, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

/// A gradient's kernel, of a formula without a parameter, as one of two inputs.
template <class Kernel>
auto plain(Kernel kernel) {
  return [kernel](const float* gy, const float* from, float* gx, int64_t n) {
    kernel(gy, from, gx, n, 0);
  };
}

/// Applies a kernel of two inputs and one output, into a third buffer and onto its first input.
template <class Kernel>
std::vector<float> binary(Kernel kernel, const std::vector<float>& a, const std::vector<float>& b) {
  const int64_t n = static_cast<int64_t>(a.size());
  const auto out = sameForThreads([&] {
    Guarded<float> left(a), right(b), y(n);
    kernel(left.data(), right.data(), y.data(), n);
    EXPECT_EQ(left.values(), a);
    EXPECT_EQ(right.values(), b);
    return y.values();
  });
  Guarded<float> left(a), right(b);
  kernel(left.data(), right.data(), left.data(), n);
  EXPECT_EQ(left.values(), out) << "differs in place";
  return out;
}

TEST_P(Pointwise, ReluAndGradient) {
  for (int64_t n : kSizes) {
    const auto x = randomFloats(n, -1, 1, 1), gy = randomFloats(n, -1, 1, 2);
    const auto y = sameForThreads([&] {
      Guarded<float> in(x), out(n);
      kernels_.relu(in.data(), out.data(), n, 0);
      return out.values();
    });
    const auto gx = binary(plain(kernels_.reluGrad), gy, y);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(y[i], x[i] > 0 ? x[i] : 0.0f) << i;
      ASSERT_EQ(gx[i], x[i] > 0 ? gy[i] : 0.0f) << i;
    }
  }
}

TEST_P(Pointwise, ReluKeepsNan) {
  Guarded<float> x({kNan, -kInfinity, kInfinity, -0.0f}), y(4), gx(4);
  kernels_.relu(x.data(), y.data(), 4, 0);
  EXPECT_TRUE(std::isnan(y.data()[0]));
  EXPECT_EQ(y.data()[1], 0.0f);
  EXPECT_EQ(y.data()[2], kInfinity);
  EXPECT_EQ(y.data()[3], 0.0f);
  Guarded<float> gy({1, 2, 3, 4});
  kernels_.reluGrad(gy.data(), y.data(), gx.data(), 4, 0);
  EXPECT_EQ(gx.values(), (std::vector<float>{1, 0, 3, 0}));
}

TEST_P(Pointwise, SigmoidAndGradient) {
  for (int64_t n : kSizes) {
    const auto x = randomFloats(n, -30, 30, 3), gy = randomFloats(n, -1, 1, 4);
    const auto y = sameForThreads([&] {
      Guarded<float> in(x), out(n);
      kernels_.sigmoid(in.data(), out.data(), n, 0);
      return out.values();
    });
    const auto gx = binary(plain(kernels_.sigmoidGrad), gy, y);
    for (int64_t i = 0; i < n; ++i) {
      const double want = 1.0 / (1.0 + std::exp(-static_cast<double>(x[i])));
      ASSERT_NEAR(y[i], want, 3e-7 * want) << x[i];
      const double v = y[i];
      ASSERT_NEAR(gx[i], gy[i] * v * (1.0 - v), 2e-7 * std::abs(gy[i] * v)) << i;
    }
  }
}

TEST_P(Pointwise, SigmoidAtTheLimits) {
  Guarded<float> x({kNan, -kInfinity, kInfinity, 0.0f, -100.0f, 100.0f}), y(6);
  kernels_.sigmoid(x.data(), y.data(), 6, 0);
  EXPECT_TRUE(std::isnan(y.data()[0]));
  EXPECT_EQ(y.data()[1], 0.0f);
  EXPECT_EQ(y.data()[2], 1.0f);
  EXPECT_EQ(y.data()[3], 0.5f);
  EXPECT_LT(y.data()[4], 1e-37f);
  EXPECT_EQ(y.data()[5], 1.0f);
}

TEST_P(Pointwise, Add) {
  for (int64_t n : kSizes) {
    const auto a = randomFloats(n, -1, 1, 5), b = randomFloats(n, -1, 1, 6);
    const auto y = binary(kernels_.add, a, b);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], a[i] + b[i]) << i;
  }
}

TEST_P(Pointwise, AddWithReluAndItsGradient) {
  for (const math::Rectifier rectifier : {math::Rectifier{.low = 0.0f}, {0.0f, 0.5f}}) {
    const float high = rectifier.high == 0.5f ? 0.5f : kInfinity;
    for (int64_t n : kSizes) {
      const auto a = randomFloats(n, -1, 1, 5), b = randomFloats(n, -1, 1, 6);
      const auto gy = randomFloats(n, -1, 1, 7);
      const auto y =
          binary([&](const float* left, const float* right, float* out,
                     int64_t count) { kernels_.addRectified(left, right, out, count, rectifier); },
                 a, b);
      const auto gx = binary(
          [&](const float* left, const float* right, float* out, int64_t count) {
            Guarded<float> from(y);
            kernels_.addMasked(left, right, from.data(), out, count, rectifier);
          },
          gy, b);
      for (int64_t i = 0; i < n; ++i) {
        const float sum = a[i] + b[i];
        ASSERT_EQ(y[i], sum <= 0 ? 0.0f : std::min(sum, high)) << i;
        ASSERT_EQ(gx[i], sum <= 0 || sum >= high ? 0.0f : gy[i] + b[i]) << i;
      }
    }
  }
}

TEST_P(Pointwise, AddWithReluKeepsNanAndInfinity) {
  Guarded<float> x({kNan, -kInfinity, kInfinity, -0.0f}), zero({0, 0, 0, -0.0f}), y(4), gx(4);
  const math::Rectifier relu{.low = 0.0f}, relu6{0.0f, 6.0f};
  kernels_.addRectified(x.data(), zero.data(), y.data(), 4, relu);
  EXPECT_TRUE(std::isnan(y.data()[0]));
  EXPECT_EQ(y.data()[1], 0.0f);
  EXPECT_EQ(y.data()[2], kInfinity);
  EXPECT_FALSE(std::signbit(y.data()[3]));
  Guarded<float> gy({1, 2, 3, 4});
  kernels_.addMasked(gy.data(), zero.data(), y.data(), gx.data(), 4, relu);
  EXPECT_EQ(gx.values(), (std::vector<float>{1, 0, 3, 0}));
  kernels_.addMasked(gy.data(), zero.data(), y.data(), gx.data(), 4, relu6);
  EXPECT_EQ(gx.values(), (std::vector<float>{1, 0, 0, 0}));
  kernels_.addRectified(x.data(), zero.data(), y.data(), 4, relu6);
  EXPECT_TRUE(std::isnan(y.data()[0]));
  EXPECT_EQ(y.data()[2], 6.0f);
}

TEST(Exponential, WithinTwoUnitsInTheLastPlace) {
  for (double x = -87.0; x < 88.7; x += 0.000317) {
    const float argument = static_cast<float>(x);
    const double want = std::exp(static_cast<double>(argument));
    const double unit = std::ldexp(1.0, std::ilogb(want) - 23);
    ASSERT_NEAR(math::exp(argument), want, 2 * unit) << argument;
  }
}

TEST(Exponential, Limits) {
  EXPECT_EQ(math::exp(0.0f), 1.0f);
  EXPECT_EQ(math::exp(kInfinity), kInfinity);
  EXPECT_EQ(math::exp(89.5f), kInfinity);
  EXPECT_EQ(math::exp(-kInfinity), 0.0f);
  EXPECT_EQ(math::exp(-110.0f), 0.0f);
  EXPECT_TRUE(std::isnan(math::exp(kNan)));
  EXPECT_NEAR(math::exp(-100.0f), std::exp(-100.0), 3e-45);  // denormal
}

}  // namespace
}  // namespace neuronode
