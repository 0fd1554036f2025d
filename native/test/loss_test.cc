// Cross-entropy against float64.
#include "cpu/loss/loss.h"

#include <cmath>
#include <limits>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class Loss : public IsaTest {
 protected:
  const LossKernels& kernels_ = lossKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, Loss, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

struct Problem {
  std::vector<float> logits;
  std::vector<int32_t> labels;
  int64_t validRows, n, c;
  Reduction reduction;
};

/// loss, correct, then grad if it is wanted.
struct Result {
  int64_t badRow;
  std::vector<float> values;
};

Result run(const LossKernels& kernels, const Problem& p, bool withGrad) {
  Result result{};
  result.values = sameForThreads([&] {
    Guarded<float> logits(p.logits), loss(1), grad(p.n * p.c);
    Guarded<int32_t> labels(p.labels), correct(1);
    result.badRow =
        kernels.classLoss({logits.data(), labels.data(), p.validRows, p.n, p.c, p.reduction,
                           loss.data(), correct.data(), withGrad ? grad.data() : nullptr});
    EXPECT_EQ(logits.values(), p.logits);
    std::vector<float> out{loss.data()[0], static_cast<float>(correct.data()[0])};
    if (withGrad) {
      for (float g : grad.values()) out.push_back(g);
    }
    return out;
  });
  return result;
}

Problem randomProblem(int64_t validRows, int64_t n, int64_t c, Reduction reduction, float range) {
  Problem p{randomFloats(n * c, -range, range, 1), {}, validRows, n, c, reduction};
  std::mt19937 generator(2);
  for (int64_t i = 0; i < n; ++i) {
    // Labels of padding rows are not looked at.
    p.labels.push_back(i < validRows ? static_cast<int32_t>(generator() % c) : -7);
  }
  return p;
}

TEST_P(Loss, CrossEntropyAgainstFloat64) {
  const int64_t sizes[][3] = {{1, 1, 1}, {1, 1, 2},     {7, 9, 7},      {128, 128, 10}, {5, 8, 8},
                              {0, 3, 5}, {300, 301, 9}, {70, 70, 1000}, {600, 600, 100}};
  for (const auto& [validRows, n, c] : sizes) {
    for (Reduction reduction : {Reduction::Mean, Reduction::Sum}) {
      for (float range : {3.0f, 80.0f}) {
        if (validRows == 0 && reduction == Reduction::Mean) continue;  // a test of its own
        SCOPED_TRACE(::testing::Message() << validRows << ' ' << c << ' ' << range);
        const Problem p = randomProblem(validRows, n, c, reduction, range);
        const Result got = run(kernels_, p, true);
        ASSERT_EQ(got.badRow, -1);
        const double divisor = reduction == Reduction::Mean ? static_cast<double>(validRows) : 1.0;
        double loss = 0;
        int correct = 0;
        for (int64_t i = 0; i < n; ++i) {
          double sum = 0;
          int64_t best = 0;
          const float* row = p.logits.data() + i * c;
          for (int64_t k = 0; k < c; ++k) {
            sum += std::exp(static_cast<double>(row[k]));
            if (row[k] > row[best]) best = k;
          }
          if (i < validRows) {
            loss += std::log(sum) - row[p.labels[i]];
            correct += best == p.labels[i];
          }
          for (int64_t k = 0; k < c; ++k) {
            const double softmax = std::exp(static_cast<double>(row[k])) / sum;
            const double want = i < validRows ? (softmax - (k == p.labels[i])) / divisor : 0.0;
            ASSERT_NEAR(got.values[2 + i * c + k], want, 6e-7 / divisor) << i << ' ' << k;
          }
        }
        ASSERT_NEAR(got.values[0], loss / divisor, 3e-7 * (1 + loss / divisor));
        ASSERT_EQ(got.values[1], correct);
        const Result withoutGrad = run(kernels_, p, false);
        ASSERT_EQ(withoutGrad.values[0], got.values[0]);
        ASSERT_EQ(withoutGrad.values[1], got.values[1]);
      }
    }
  }
}

TEST_P(Loss, LabelOutOfRangeIsReportedAndNothingWritten) {
  for (int32_t bad :
       {-1, 5, std::numeric_limits<int32_t>::max(), std::numeric_limits<int32_t>::min()}) {
    const Problem p{std::vector<float>(15, 0.0f), {0, 1, bad}, 3, 3, 5, Reduction::Sum};
    Guarded<float> logits(p.logits), loss(std::vector<float>(1, -1)),
        grad(std::vector<float>(15, -1));
    Guarded<int32_t> labels(p.labels), correct(std::vector<int32_t>(1, -1));
    ClassLossArgs args{logits.data(), labels.data(),  3,          3, 5, p.reduction,
                       loss.data(),   correct.data(), grad.data()};
    EXPECT_EQ(kernels_.classLoss(args), 2);
    EXPECT_EQ(loss.data()[0], -1);
    EXPECT_EQ(correct.data()[0], -1);
    EXPECT_EQ(grad.values(), std::vector<float>(15, -1));
    args.validRows = 2;  // the bad label is now in a padding row
    EXPECT_EQ(kernels_.classLoss(args), -1);
  }
}

TEST_P(Loss, NoValidRows) {
  Problem p{{1, 2}, {0}, 0, 1, 2, Reduction::Mean};
  const Result mean = run(kernels_, p, true);
  EXPECT_TRUE(std::isnan(mean.values[0]));
  EXPECT_EQ(mean.values[1], 0);
  EXPECT_EQ(mean.values[2], 0);
  EXPECT_EQ(mean.values[3], 0);
  p.reduction = Reduction::Sum;
  EXPECT_EQ(run(kernels_, p, true).values, (std::vector<float>{0, 0, 0, 0}));
}

TEST_P(Loss, FirstOfEqualsIsThePrediction) {
  const Problem p{{1, 3, 3, 3, 1, 3}, {1, 2}, 2, 2, 3, Reduction::Sum};
  EXPECT_EQ(run(kernels_, p, false).values[1], 1);
}

TEST_P(Loss, NanShowsInTheLossAndIsNoPrediction) {
  const Problem p{{1, kNan, 3}, {1}, 1, 1, 3, Reduction::Sum};
  Guarded<float> logits(p.logits), loss(1);
  Guarded<int32_t> labels(p.labels), correct(1);
  kernels_.classLoss(
      {logits.data(), labels.data(), 1, 1, 3, p.reduction, loss.data(), correct.data(), nullptr});
  EXPECT_TRUE(std::isnan(loss.data()[0]));
  EXPECT_EQ(correct.data()[0], 0);
}

TEST_P(Loss, LargeLogitsDoNotOverflow) {
  const Problem p{{1e30f, -1e30f, 0, 1000, 1001, -1000}, {0, 0}, 2, 2, 3, Reduction::Sum};
  const Result got = run(kernels_, p, true);
  EXPECT_NEAR(got.values[0], 0.0 + std::log(1 + std::exp(1.0)), 1e-6);
  EXPECT_EQ(got.values[2], 0.0f);
  EXPECT_NEAR(got.values[5], 1 / (1 + std::exp(1.0)) - 1, 1e-6);
}

TEST_P(Loss, GradientMayReplaceTheLogits) {
  const Problem p = randomProblem(33, 40, 21, Reduction::Mean, 5);
  const auto want = run(kernels_, p, true).values;
  Guarded<float> both(p.logits), loss(1);
  Guarded<int32_t> labels(p.labels), correct(1);
  kernels_.classLoss({both.data(), labels.data(), 33, 40, 21, p.reduction, loss.data(),
                      correct.data(), both.data()});
  EXPECT_EQ(both.values(), std::vector<float>(want.begin() + 2, want.end()));
  EXPECT_EQ(loss.data()[0], want[0]);
}

// What PyTorch's cross_entropy and nll_loss give, in float64: losses of the rows, then what the
// rows that count weigh, then the gradient of the rows' losses.
struct Expected {
  std::vector<double> losses, grads;
  double weight = 0;
};

Expected expectedOf(const ClassLossArgs& args) {
  Expected want{std::vector<double>(args.n), std::vector<double>(args.n * args.c)};
  for (int64_t row = 0; row < args.validRows; ++row) {
    const int64_t label = args.targets == nullptr ? args.labels[row] : -1;
    if (args.targets == nullptr && label == args.ignoreIndex) continue;
    const float* x = args.logits + row * args.c;
    double sum = 0, all = 0;
    for (int64_t k = 0; k < args.c; ++k) sum += std::exp(static_cast<double>(x[k]));
    std::vector<double> parts(args.c);
    for (int64_t k = 0; k < args.c; ++k) {
      const double target =
          args.targets == nullptr ? double(k == label) : args.targets[row * args.c + k];
      const double weight = args.weights == nullptr ? 1 : args.weights[k];
      parts[k] = weight * ((1 - args.labelSmoothing) * target + args.labelSmoothing / args.c);
      all += parts[k];
      want.losses[row] += parts[k] * ((args.areLogs ? 0 : std::log(sum)) - x[k]);
    }
    for (int64_t k = 0; k < args.c; ++k) {
      const double softmax = args.areLogs ? 0 : std::exp(static_cast<double>(x[k])) / sum;
      want.grads[row * args.c + k] = all * softmax - parts[k];
    }
    want.weight += args.targets != nullptr || args.weights == nullptr ? 1 : args.weights[label];
  }
  return want;
}

TEST_P(Loss, WeightsIgnoredRowsSmoothingAndTargetsAgainstFloat64) {
  const int64_t valid = 290, n = 301;
  for (const int64_t c : {3, 9, 300}) {
    const auto logits = randomFloats(n * c, -6, 6, 1), targets = randomFloats(n * c, 0, 1, 2);
    const auto weights = randomFloats(c, 0.5, 2, 3);
    std::vector<int32_t> labels(n);
    for (int64_t i = 0; i < n; ++i) labels[i] = static_cast<int32_t>(i * 7 % c);
    for (int64_t i = 0; i < valid; i += 5) labels[i] = -100;
    for (int options = 0; options < 16; ++options) {
      const bool hasTargets = options & 1, hasWeights = options & 2, smooths = options & 4;
      const bool areLogs = options & 8;
      if (areLogs && (hasTargets || smooths)) continue;
      for (const Reduction reduction : {Reduction::Mean, Reduction::Sum, Reduction::None}) {
        SCOPED_TRACE(::testing::Message() << c << ' ' << options << ' ' << int(reduction));
        const bool isNone = reduction == Reduction::None;
        ClassLossArgs args{};
        Expected want;
        const auto got = sameForThreads([&] {
          Guarded<float> x(logits), target(targets), weight(weights), grad(n * c);
          Guarded<float> loss(isNone ? n : 1);
          Guarded<int32_t> label(labels), correct(1);
          args = {x.data(),    hasTargets ? nullptr : label.data(),
                  valid,       n,
                  c,           reduction,
                  loss.data(), correct.data(),
                  grad.data()};
          if (hasTargets) args.targets = target.data();
          if (hasWeights) args.weights = weight.data();
          args.ignoreIndex = -100;
          args.labelSmoothing = smooths ? 0.2 : 0;
          args.areLogs = areLogs;
          EXPECT_EQ(kernels_.classLoss(args), -1);
          want = expectedOf(args);
          auto out = loss.values();
          const auto gradient = grad.values();
          // Without a gradient the same loss, and over the logits the same gradient.
          args.grad = nullptr;
          kernels_.classLoss(args);
          EXPECT_EQ(loss.values(), out);
          args.grad = x.data();
          kernels_.classLoss(args);
          EXPECT_EQ(x.values(), gradient);
          out.insert(out.end(), gradient.begin(), gradient.end());
          return out;
        });
        const double divisor = reduction == Reduction::Mean ? want.weight : 1;
        double sum = 0;
        for (int64_t i = 0; i < n; ++i) {
          if (isNone) ASSERT_NEAR(got[i], want.losses[i], 1e-6 * (1 + std::abs(want.losses[i])));
          sum += want.losses[i];
        }
        if (!isNone) ASSERT_NEAR(got[0], sum / divisor, 1e-6 * std::abs(sum / divisor));
        const float* grad = got.data() + (isNone ? n : 1);
        const double size = hasTargets ? c : 2;
        for (int64_t i = 0; i < n * c; ++i) {
          ASSERT_NEAR(grad[i], want.grads[i] / divisor, 1e-6 * size / divisor) << i;
        }
      }
    }
  }
}

TEST_P(Loss, IgnoredLabelsAreNeitherWrongNorRight) {
  // Every row ignored: nothing to take the mean of, as in PyTorch.
  ClassLossArgs args{};
  Guarded<float> logits(std::vector<float>{1, 2, 3, 4}), loss(1), grad(4);
  Guarded<int32_t> labels(std::vector<int32_t>{7, 7}), correct(1);
  args = {logits.data(), labels.data(),  2,          2, 2, Reduction::Mean,
          loss.data(),   correct.data(), grad.data()};
  EXPECT_EQ(kernels_.classLoss(args), 0);
  args.ignoreIndex = 7;
  EXPECT_EQ(kernels_.classLoss(args), -1);
  EXPECT_TRUE(std::isnan(loss.data()[0]));
  EXPECT_EQ(correct.data()[0], 0);
  EXPECT_EQ(grad.values(), std::vector<float>(4, 0.0f));
  // A class may be the ignored one.
  labels.data()[0] = 0, labels.data()[1] = 1;
  args.ignoreIndex = 1;
  EXPECT_EQ(kernels_.classLoss(args), -1);
  EXPECT_NEAR(loss.data()[0], std::log(1 + std::exp(1.0)), 1e-6);
  EXPECT_EQ(correct.data()[0], 0);
}

}  // namespace
}  // namespace neuronode
