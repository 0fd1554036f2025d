// Softmax along an axis and its logarithm against float64.
#include "cpu/softmax/softmax.h"

#include <cmath>
#include <limits>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::fromLayout;
using testing::Guarded;
using testing::randomFloats;
using testing::sameForThreads;
using testing::toLayout;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Softmax : public testing::IsaTest {
 protected:
  const SoftmaxKernels& kernels_ = softmaxKernels(GetParam());

  static void expectSameBits(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    EXPECT_TRUE(a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
  }

  // Of plain tensors through the layout of `shape`; the result may take an input's place.
  static std::vector<float> run(SoftmaxKernels::Forward kernel, const PlaneShape& shape,
                                const std::vector<float>& plain) {
    const auto y = sameForThreads([&] {
      Guarded<float> x(toLayout(plain, shape)), out(shape.elements());
      kernel(shape, x.data(), out.data());
      return out.values();
    });
    Guarded<float> inPlace(toLayout(plain, shape));
    kernel(shape, inPlace.data(), inPlace.data());
    expectSameBits(inPlace.values(), y);
    return fromLayout(y, shape);
  }
  static std::vector<float> run(SoftmaxKernels::Backward kernel, const PlaneShape& shape,
                                const std::vector<float>& gy, const std::vector<float>& y) {
    const auto gx = sameForThreads([&] {
      Guarded<float> upper(toLayout(gy, shape)), value(toLayout(y, shape)), out(shape.elements());
      kernel(shape, upper.data(), value.data(), out.data());
      return out.values();
    });
    Guarded<float> inPlace(toLayout(gy, shape)), value(toLayout(y, shape));
    kernel(shape, inPlace.data(), value.data(), inPlace.data());
    expectSameBits(inPlace.values(), gx);
    return fromLayout(gx, shape);
  }
};

// n, c and pixels: short rows and long ones, of one element, and more columns than a tile has.
const PlaneShape kShapes[] = {{0, 3, 1, 1},     {1, 1, 1, 1},     {3, 7, 1, 1},   {128, 10, 1, 1},
                              {9, 16, 1, 1},    {65, 1003, 1, 1}, {2, 5, 3, 1},   {2, 21, 64, 1},
                              {3, 200, 131, 1}, {2, 8, 9, 8},     {2, 21, 37, 8}, {1, 3, 5, 8},
                              {2, 33, 40, 16},  {1, 5, 1, 16}};

TEST_P(Softmax, AlongChannelsOfAnyLayout) {
  for (const PlaneShape& shape : kShapes) {
    SCOPED_TRACE(::testing::Message()
                 << shape.n << 'x' << shape.c << 'x' << shape.hw << " by " << shape.block);
    const int64_t count = shape.n * shape.c * shape.hw;
    const auto x = randomFloats(count, -20, 20, 3), gy = randomFloats(count, -1, 1, 4);
    const auto y = run(kernels_.softmax, shape, x), log = run(kernels_.logSoftmax, shape, x);
    const auto gx = run(kernels_.softmaxGrad, shape, gy, y);
    const auto logGx = run(kernels_.logSoftmaxGrad, shape, gy, log);
    for (int64_t row = 0; row < shape.n * shape.hw; ++row) {
      const int64_t first = row / shape.hw * shape.c * shape.hw + row % shape.hw;
      const auto at = [&](int64_t k) { return static_cast<size_t>(first + k * shape.hw); };
      double sum = 0, products = 0, gradients = 0;
      for (int64_t k = 0; k < shape.c; ++k) {
        sum += std::exp(static_cast<double>(x[at(k)]));
        products += static_cast<double>(gy[at(k)]) * y[at(k)];
        gradients += gy[at(k)];
      }
      for (int64_t k = 0; k < shape.c; ++k) {
        const double wanted = x[at(k)] - std::log(sum), g = gy[at(k)];
        // x - max is rounded at a size of up to 40, which the exponential turns into 2e-6.
        ASSERT_NEAR(y[at(k)], std::exp(wanted), 2.5e-6 * std::exp(wanted)) << row << ' ' << k;
        ASSERT_NEAR(log[at(k)], wanted, 6e-6) << row << ' ' << k;
        ASSERT_NEAR(gx[at(k)], y[at(k)] * (g - products), 2e-6 * y[at(k)]) << row << ' ' << k;
        const double p = std::exp(static_cast<double>(log[at(k)]));
        ASSERT_NEAR(logGx[at(k)], g - p * gradients, 2e-6 * (1 + p * std::abs(gradients)))
            << row << ' ' << k;
      }
    }
  }
}

// Where probabilities are too small for a number their logarithms are not; what is no number makes
// its own row NaN and no other.
TEST_P(Softmax, OfExtremes) {
  for (const int64_t pixels : {1, 3}) {
    for (const int block : {1, 8}) {
      const PlaneShape shape{3, 3, pixels, block};
      std::vector<float> x(static_cast<size_t>(9 * pixels), 0.0f);
      x[0] = 300.0f;
      x[static_cast<size_t>(3 * pixels)] = NAN;
      x[static_cast<size_t>(7 * pixels)] = -kInfinity;
      const auto y = run(kernels_.softmax, shape, x), log = run(kernels_.logSoftmax, shape, x);
      const auto step = static_cast<size_t>(pixels);
      EXPECT_EQ(y[0], 1.0f);
      EXPECT_EQ(y[step], 0.0f);
      EXPECT_EQ(log[step], -300.0f);
      for (size_t k = 3; k < 6; ++k) {
        EXPECT_TRUE(std::isnan(y[k * step])) << k;
        EXPECT_TRUE(std::isnan(log[k * step])) << k;
      }
      EXPECT_NEAR(y[6 * step], 0.5f, 1e-6f);
      EXPECT_EQ(y[7 * step], 0.0f);
      EXPECT_EQ(log[7 * step], -kInfinity);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, Softmax, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

}  // namespace
}  // namespace neuronode
