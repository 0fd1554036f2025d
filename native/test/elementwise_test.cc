// Element-wise kernels and channel sums against float64, in every layout and odd size.
#include "cpu/elementwise.h"

#include <cmath>
#include <limits>

#include "kernel_test.h"
#include "math/activation.h"

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
constexpr int64_t kSizes[] = {0, 1, 7, 8, 9, 31, 1000003};

class Elementwise : public IsaTest {
 protected:
  const ElementwiseKernels& kernels_ = elementwiseKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, Elementwise, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

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

TEST_P(Elementwise, ReluAndGradient) {
  for (int64_t n : kSizes) {
    const auto x = randomFloats(n, -1, 1, 1), gy = randomFloats(n, -1, 1, 2);
    const auto y = sameForThreads([&] {
      Guarded<float> in(x), out(n);
      kernels_.relu(in.data(), out.data(), n);
      return out.values();
    });
    const auto gx = binary(kernels_.reluGrad, gy, y);
    for (int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(y[i], x[i] > 0 ? x[i] : 0.0f) << i;
      ASSERT_EQ(gx[i], x[i] > 0 ? gy[i] : 0.0f) << i;
    }
  }
}

TEST_P(Elementwise, ReluKeepsNan) {
  Guarded<float> x({kNan, -kInfinity, kInfinity, -0.0f}), y(4), gx(4);
  kernels_.relu(x.data(), y.data(), 4);
  EXPECT_TRUE(std::isnan(y.data()[0]));
  EXPECT_EQ(y.data()[1], 0.0f);
  EXPECT_EQ(y.data()[2], kInfinity);
  EXPECT_EQ(y.data()[3], 0.0f);
  Guarded<float> gy({1, 2, 3, 4});
  kernels_.reluGrad(gy.data(), y.data(), gx.data(), 4);
  EXPECT_EQ(gx.values(), (std::vector<float>{1, 0, 3, 0}));
}

TEST_P(Elementwise, SigmoidAndGradient) {
  for (int64_t n : kSizes) {
    const auto x = randomFloats(n, -30, 30, 3), gy = randomFloats(n, -1, 1, 4);
    const auto y = sameForThreads([&] {
      Guarded<float> in(x), out(n);
      kernels_.sigmoid(in.data(), out.data(), n);
      return out.values();
    });
    const auto gx = binary(kernels_.sigmoidGrad, gy, y);
    for (int64_t i = 0; i < n; ++i) {
      const double want = 1.0 / (1.0 + std::exp(-static_cast<double>(x[i])));
      ASSERT_NEAR(y[i], want, 3e-7 * want) << x[i];
      const double v = y[i];
      ASSERT_NEAR(gx[i], gy[i] * v * (1.0 - v), 2e-7 * std::abs(gy[i] * v)) << i;
    }
  }
}

TEST_P(Elementwise, SigmoidAtTheLimits) {
  Guarded<float> x({kNan, -kInfinity, kInfinity, 0.0f, -100.0f, 100.0f}), y(6);
  kernels_.sigmoid(x.data(), y.data(), 6);
  EXPECT_TRUE(std::isnan(y.data()[0]));
  EXPECT_EQ(y.data()[1], 0.0f);
  EXPECT_EQ(y.data()[2], 1.0f);
  EXPECT_EQ(y.data()[3], 0.5f);
  EXPECT_LT(y.data()[4], 1e-37f);
  EXPECT_EQ(y.data()[5], 1.0f);
}

TEST_P(Elementwise, Add) {
  for (int64_t n : kSizes) {
    const auto a = randomFloats(n, -1, 1, 5), b = randomFloats(n, -1, 1, 6);
    const auto y = binary(kernels_.add, a, b);
    for (int64_t i = 0; i < n; ++i) ASSERT_EQ(y[i], a[i] + b[i]) << i;
  }
}

TEST_P(Elementwise, AddRow) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {3, 7}, {5, 10}, {37, 1003}}) {
    const auto y = randomFloats(rows * columns, -1, 1, 5), row = randomFloats(columns, -1, 1, 6);
    const auto sum = sameForThreads([&] {
      Guarded<float> in(row), out(y);
      kernels_.addRow(out.data(), in.data(), rows, columns);
      return out.values();
    });
    for (int64_t i = 0; i < rows * columns; ++i) ASSERT_EQ(sum[i], y[i] + row[i % columns]) << i;
  }
}

TEST_P(Elementwise, BytesToFloatRoundsEachStepAsTorchvision) {
  const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
  std::vector<float> table(3 * 256);
  buildByteTable(mean, std, 3, table.data());
  const int64_t n = 5, c = 3, hw = 5003;
  std::vector<uint8_t> bytes(n * c * hw);
  std::mt19937 generator(7);
  for (auto& b : bytes) b = static_cast<uint8_t>(generator());
  const auto y = sameForThreads([&] {
    Guarded<uint8_t> in(bytes);
    Guarded<float> out(n * c * hw);
    kernels_.bytesToFloat(in.data(), out.data(), n, c, hw, table.data());
    return out.values();
  });
  for (int64_t i = 0; i < n * c * hw; ++i) {
    const int64_t k = i / hw % c;
    volatile float v = static_cast<float>(bytes[i]) / 255.0f;  // volatile: no wider intermediate
    v = v - mean[k];
    v = v / std[k];
    ASSERT_EQ(y[i], v) << i;
  }
}

TEST_P(Elementwise, ZeroPaddingLanes) {
  for (int block : {8, 16}) {
    for (int64_t c : {1, 7, 8, 17, 32}) {
      const PlaneShape shape{3, c, 35, block};
      const auto plain = randomFloats(shape.n * c * shape.hw, 1, 2, 8);
      Guarded<float> x(toLayout(plain, shape));
      for (int64_t i = 0; i < shape.elements(); ++i) {
        if (x.data()[i] == 0.0f) x.data()[i] = 0.5f;
      }
      kernels_.zeroPaddingLanes(x.data(), shape);
      EXPECT_EQ(fromLayout(x.values(), shape), plain);
    }
  }
}

TEST_P(Elementwise, ChannelSum) {
  const PlaneShape shapes[] = {{1, 1, 1, 1},   {128, 10, 1, 1}, {67, 1003, 1, 1},
                               {3, 6, 53, 1},  {9, 20, 729, 1}, {1, 3, 1, 8},
                               {5, 20, 1, 16}, {9, 20, 729, 8}, {9, 37, 300, 16}};
  for (const PlaneShape& shape : shapes) {
    SCOPED_TRACE(::testing::Message()
                 << shape.n << ' ' << shape.c << ' ' << shape.hw << ' ' << shape.block);
    const auto plain = randomFloats(shape.n * shape.c * shape.hw, -1, 3, 9);
    const auto x = toLayout(plain, shape);
    const auto sums = sameForThreads([&] {
      Guarded<float> in(x), out(shape.c);
      kernels_.channelSum(in.data(), out.data(), shape);
      return out.values();
    });
    for (int64_t c = 0; c < shape.c; ++c) {
      double want = 0;
      for (int64_t n = 0; n < shape.n; ++n) {
        for (int64_t i = 0; i < shape.hw; ++i) want += plain[(n * shape.c + c) * shape.hw + i];
      }
      // A few roundings of short f32 sums, whatever the length of the whole.
      ASSERT_NEAR(sums[c], want, 2e-6 * (1 + std::abs(want))) << c;
    }
  }
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
