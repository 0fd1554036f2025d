// Element-wise losses against float64.
#include "cpu/loss/element_loss.h"

#include <cmath>
#include <limits>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;

class ElementLosses : public IsaTest {
 protected:
  const ElementLossKernels& kernels_ = elementLossKernels(GetParam());
  void run(ElementLoss formula, const ElementLossArgs& args) const {
    kernels_.loss[static_cast<size_t>(formula)](args);
  }
};
INSTANTIATE_TEST_SUITE_P(, ElementLosses, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

double valueOf(ElementLoss formula, double x, double t, double parameter) {
  const double d = x - t, size = std::abs(d);
  switch (formula) {
    case ElementLoss::MseLoss:
      return d * d;
    case ElementLoss::L1Loss:
      return size;
    case ElementLoss::SmoothL1Loss:
      return size < parameter ? d * d / (2 * parameter) : size - parameter / 2;
    default:
      return parameter * t * softplus(-x) + (1 - t) * softplus(x);
  }
}

double gradientOf(ElementLoss formula, double x, double t, double parameter) {
  const double d = x - t, sign = d > 0 ? 1 : d < 0 ? -1 : 0;
  switch (formula) {
    case ElementLoss::MseLoss:
      return 2 * d;
    case ElementLoss::L1Loss:
      return sign;
    case ElementLoss::SmoothL1Loss:
      return std::abs(d) < parameter ? d / parameter : sign;
    default:
      return (1 - t) / (1 + std::exp(-x)) - parameter * t / (1 + std::exp(x));
  }
}

TEST_P(ElementLosses, AgainstFloat64) {
  struct Size {
    int64_t valid, rows, elements, inner, length;
  };
  // The last needs more sums than one batch of pieces has.
  const Size sizes[] = {{1, 1, 1, 1, 1},
                        {5, 7, 3, 1, 3},
                        {2, 3, 12, 2, 6},
                        {9, 9, 1000, 10, 20},
                        {290, 300, 4097, 17, 241}};
  for (int f = 0; f < static_cast<int>(ElementLoss::Count); ++f) {
    const auto formula = static_cast<ElementLoss>(f);
    for (const auto& [valid, rows, elements, inner, length] : sizes) {
      for (const Reduction reduction : {Reduction::Mean, Reduction::Sum, Reduction::None}) {
        for (const bool weighted : {false, true}) {
          SCOPED_TRACE(::testing::Message() << f << ' ' << elements << ' ' << int(reduction));
          const bool isNone = reduction == Reduction::None;
          const int64_t all = rows * elements;
          const auto x = randomFloats(all, -9, 9, 1), target = randomFloats(all, 0, 1, 2);
          const auto weights = randomFloats(length, 0.5, 2, 3);
          ElementLossArgs args{};
          args.validRows = valid, args.rows = rows, args.rowElements = elements;
          args.reduction = reduction;
          args.parameter = 0.75f;
          const auto got = sameForThreads([&] {
            Guarded<float> from(x), to(target), weight(weights), loss(isNone ? all : 1), grad(all);
            args.x = from.data(), args.target = to.data(), args.loss = loss.data();
            args.grad = grad.data();
            if (weighted) args.weights = args.parameters = {weight.data(), inner, length};
            run(formula, args);
            auto out = loss.values();
            const auto gradient = grad.values();
            args.grad = nullptr;
            run(formula, args);
            EXPECT_EQ(loss.values(), out);
            args.grad = from.data();  // in place
            run(formula, args);
            EXPECT_EQ(from.values(), gradient);
            out.insert(out.end(), gradient.begin(), gradient.end());
            return out;
          });
          const double divisor = reduction == Reduction::Mean ? double(valid * elements) : 1.0;
          const float* grad = got.data() + (isNone ? all : 1);
          double sum = 0;
          for (int64_t i = 0; i < all; ++i) {
            double value = 0, gradient = 0;
            if (i < valid * elements) {
              const double weight = weights[i % elements / inner % length];
              const double parameter = weighted ? weight : 0.75;
              value = valueOf(formula, x[i], target[i], parameter) * (weighted ? weight : 1);
              gradient = gradientOf(formula, x[i], target[i], parameter) * (weighted ? weight : 1);
            }
            sum += value;
            if (isNone) ASSERT_NEAR(got[i], value, 1e-6 * (0.1 + value)) << i;
            ASSERT_NEAR(grad[i], gradient / divisor, 2e-6 * (0.1 + std::abs(gradient)) / divisor)
                << i;
          }
          if (!isNone) ASSERT_NEAR(got[0], sum / divisor, 1e-6 * sum / divisor);
        }
      }
    }
  }
}

// One element, weighted 1.
std::pair<float, float> single(const ElementLossKernels& kernels, ElementLoss formula, float x,
                               float target, float parameter) {
  float loss = -1, grad = -1;
  ElementLossArgs args{};
  args.x = &x, args.target = &target, args.loss = &loss, args.grad = &grad;
  args.validRows = args.rows = args.rowElements = 1;
  args.reduction = Reduction::Sum;
  args.parameter = parameter;
  kernels.loss[static_cast<size_t>(formula)](args);
  return {loss, grad};
}

TEST_P(ElementLosses, AtTheirKinksAndFarOut) {
  using Pair = std::pair<float, float>;
  EXPECT_EQ(single(kernels_, ElementLoss::L1Loss, 2, 2, 1), Pair(0, 0));
  EXPECT_EQ(single(kernels_, ElementLoss::SmoothL1Loss, 3, 2, 1), Pair(0.5, 1));
  EXPECT_EQ(single(kernels_, ElementLoss::SmoothL1Loss, 1, 2, 1), Pair(0.5, -1));
  // Without a round part it is the L1 loss.
  EXPECT_EQ(single(kernels_, ElementLoss::SmoothL1Loss, 2, 2, 0), Pair(0, 0));
  EXPECT_EQ(single(kernels_, ElementLoss::SmoothL1Loss, 5, 2, 0), Pair(3, 1));
  const auto bce = ElementLoss::BinaryCrossEntropyWithLogits;
  EXPECT_EQ(single(kernels_, bce, 1000, 0, 1), Pair(1000, 1));
  EXPECT_EQ(single(kernels_, bce, -1000, 1, 3), Pair(3000, -3));
  EXPECT_EQ(single(kernels_, bce, 1000, 1, 1), Pair(0, 0));
  // Where PyTorch's form would cancel.
  EXPECT_NEAR(single(kernels_, bce, -20, 0, 1).first, 2.0611536e-9, 1e-15);
}

TEST_P(ElementLosses, NanShows) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (int f = 0; f < static_cast<int>(ElementLoss::Count); ++f) {
    for (const auto& [x, target] : {std::pair{nan, 1.0f}, {1.0f, nan}}) {
      const auto [loss, grad] = single(kernels_, static_cast<ElementLoss>(f), x, target, 1);
      EXPECT_TRUE(std::isnan(loss)) << f;
      EXPECT_TRUE(std::isnan(grad)) << f;
    }
  }
}

TEST_P(ElementLosses, WithoutAnyRowTheMeanIsNanAndTheSumZero) {
  Guarded<float> x(std::vector<float>{1, 2}), target(std::vector<float>{3, 4}), loss(1), grad(2);
  ElementLossArgs args{};
  args.x = x.data(), args.target = target.data(), args.loss = loss.data(), args.grad = grad.data();
  args.rows = 1, args.rowElements = 2;
  args.reduction = Reduction::Mean;
  run(ElementLoss::MseLoss, args);
  EXPECT_TRUE(std::isnan(loss.data()[0]));
  EXPECT_EQ(grad.values(), std::vector<float>(2, 0.0f));
  args.reduction = Reduction::Sum;
  run(ElementLoss::MseLoss, args);
  EXPECT_EQ(loss.data()[0], 0.0f);
}

}  // namespace
}  // namespace neuronode
