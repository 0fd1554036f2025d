// Batch normalisation in every layout against float64 loops over plain NCHW, with what is fused
// into it.
#include "cpu/normalisation/batch_norm.h"

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
constexpr double kEps = 1e-3;

class BatchNorm : public IsaTest {
 protected:
  const BatchNormKernels& kernels_ = batchNormKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, BatchNorm, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

struct Case {
  int64_t n, c, hw, rows;
  bool hasWeight, hasBias, hasResidual;
  math::Rectifier rectifier = {};

  int64_t count() const { return n * c * hw; }
  bool isReal(int64_t i) const { return i < rows * c * hw; }
  int64_t channel(int64_t i) const { return i / hw % c; }
  double values() const { return static_cast<double>(rows * hw); }
};

constexpr math::Rectifier kRelu{.low = 0.0f}, kRelu6{0.0f, 0.75f};

const Case kCases[] = {
    {9, 70, 61, 9, true, true, false, kRelu},  // channel blocks for several threads
    {9, 70, 61, 7, true, true, true, kRelu},  {3, 19, 217, 2, true, true, false, kRelu6},
    {5, 3, 1030, 5, true, false, true},       {4, 17, 1, 4, false, false, false},
    {2, 1, 7, 2, false, false, true, kRelu6}, {1, 33, 16, 1, true, true, false},
    {3, 5, 9, 0, true, true, true, kRelu},
};

const int kBlocks[] = {1, 8, 16};

template <class Check>
void forAll(Check check) {
  for (const Case& k : kCases) {
    for (const int block : kBlocks) {
      for (const Statistics statistics : {Statistics::Batch, Statistics::Given}) {
        SCOPED_TRACE(::testing::Message()
                     << k.rows << " of " << k.n << " rows, " << k.c << " channels, block " << block
                     << (statistics == Statistics::Given ? ", given" : ""));
        check(k, block, statistics);
      }
    }
  }
}

// What the kernels are given.
struct Data {
  explicit Data(const Case& k)
      : x(randomFloats(k.count(), -2, 4, 1)),
        residual(randomFloats(k.count(), -1, 1, 2)),
        gy(randomFloats(k.count(), -1, 1, 3)),
        y(randomFloats(k.count(), -1, 1, 4)),
        weight(randomFloats(k.c, -1, 1.5, 5)),
        bias(randomFloats(k.c, -0.5, 0.5, 6)),
        mean(randomFloats(k.c, 0.5, 1.5, 7)),
        var(randomFloats(k.c, 0.5, 3, 8)) {
    for (float& v : y) v = k.rectifier.value(v);
  }
  std::vector<float> x, residual, gy, y, weight, bias, mean, var;
};

// Mean and variance of each channel's real values, in float64.
struct Moments {
  Moments(const Case& k, const Data& data, Statistics statistics)
      : mean(data.mean.begin(), data.mean.end()), var(data.var.begin(), data.var.end()) {
    if (statistics == Statistics::Given) return;
    mean.assign(mean.size(), 0.0);
    var.assign(var.size(), 0.0);
    if (k.rows == 0) return;
    for (int64_t i = 0; k.isReal(i); ++i) mean[k.channel(i)] += data.x[i] / k.values();
    for (int64_t i = 0; k.isReal(i); ++i) {
      const double centred = data.x[i] - mean[k.channel(i)];
      var[k.channel(i)] += centred * centred / k.values();
    }
  }
  std::vector<double> mean, var;
};

// Given statistics know of no rows that are not real.
Case with(Case k, Statistics statistics) {
  if (statistics == Statistics::Given) k.rows = k.n;
  return k;
}

struct Output {
  std::vector<float> y, mean, var;
};

Output forward(const BatchNormKernels& kernels, const Case& k, int block, Statistics statistics,
               const Data& data) {
  const PlaneShape shape{k.n, k.c, k.hw, block};
  Guarded<float> x(toLayout(data.x, shape)), residual(toLayout(data.residual, shape));
  Guarded<float> weight(data.weight), bias(data.bias), y(shape.elements());
  Guarded<float> mean(data.mean), var(data.var);
  Guarded<double> workspace(static_cast<int64_t>(batchNormWorkspace(shape) / sizeof(double)));
  kernels.forward({.shape = shape,
                   .eps = kEps,
                   .statistics = statistics,
                   .rectifier = k.rectifier,
                   .rows = k.rows,
                   .x = x.data(),
                   .weight = k.hasWeight ? weight.data() : nullptr,
                   .bias = k.hasBias ? bias.data() : nullptr,
                   .residual = k.hasResidual ? residual.data() : nullptr,
                   .y = y.data(),
                   .mean = mean.data(),
                   .var = var.data(),
                   .workspace = workspace.data()});
  return {fromLayout(y.values(), shape), mean.values(), var.values()};
}

struct Gradients {
  std::vector<float> gx, gweight, gbias;
};

// `readsOutput`: where there is a rectifier, by data.y, else by what the kernel computes anew.
Gradients backward(const BatchNormKernels& kernels, const Case& k, int block, Statistics statistics,
                   const Data& data, const Moments& moments, bool readsOutput = true) {
  const PlaneShape shape{k.n, k.c, k.hw, block};
  Guarded<float> gy(toLayout(data.gy, shape)), x(toLayout(data.x, shape));
  Guarded<float> y(toLayout(data.y, shape)), weight(data.weight), bias(data.bias);
  Guarded<float> gx(shape.elements());
  Guarded<float> mean(std::vector<float>(moments.mean.begin(), moments.mean.end()));
  Guarded<float> var(std::vector<float>(moments.var.begin(), moments.var.end()));
  Guarded<float> gweight(k.c), gbias(k.c);
  Guarded<double> workspace(static_cast<int64_t>(batchNormWorkspace(shape) / sizeof(double)));
  kernels.backward({.shape = shape,
                    .eps = kEps,
                    .statistics = statistics,
                    .rectifier = k.rectifier,
                    .rows = k.rows,
                    .gy = gy.data(),
                    .x = x.data(),
                    .y = readsOutput ? y.data() : nullptr,
                    .mean = mean.data(),
                    .var = var.data(),
                    .weight = k.hasWeight ? weight.data() : nullptr,
                    .bias = k.hasBias ? bias.data() : nullptr,
                    .gx = gx.data(),
                    .gweight = k.hasWeight ? gweight.data() : nullptr,
                    .gbias = k.hasBias ? gbias.data() : nullptr,
                    .workspace = workspace.data()});
  Gradients result{fromLayout(gx.values(), shape), {}, {}};
  if (k.hasWeight) result.gweight = gweight.values();
  if (k.hasBias) result.gbias = gbias.values();
  return result;
}

TEST_P(BatchNorm, ForwardInEveryLayout) {
  forAll([&](const Case& original, int block, Statistics statistics) {
    const Case k = with(original, statistics);
    const Data data(k);
    const Moments moments(k, data, statistics);
    Output got;
    sameForThreads([&] {
      got = forward(kernels_, k, block, statistics, data);
      std::vector<float> all = got.y;
      all.insert(all.end(), got.mean.begin(), got.mean.end());
      all.insert(all.end(), got.var.begin(), got.var.end());
      return all;
    });
    for (int64_t c = 0; c < k.c; ++c) {
      ASSERT_NEAR(got.mean[c], moments.mean[c], 1e-6 * (1 + std::abs(moments.mean[c])));
      ASSERT_NEAR(got.var[c], moments.var[c], 1e-6 * (1 + moments.var[c]));
    }
    for (int64_t i = 0; i < k.count(); ++i) {
      const int64_t c = k.channel(i);
      double want = (data.x[i] - moments.mean[c]) / std::sqrt(moments.var[c] + kEps);
      if (k.hasWeight) want *= data.weight[c];
      if (k.hasBias) want += data.bias[c];
      if (k.hasResidual) want += data.residual[i];
      if (k.rectifier.low == 0.0f) want = std::max(want, 0.0);
      if (k.rectifier.high == 0.75f) want = std::min(want, 0.75);
      if (!k.isReal(i)) want = 0.0;
      ASSERT_NEAR(got.y[i], want, 5e-6 * (1 + std::abs(want))) << "element " << i;
    }
  });
}

TEST_P(BatchNorm, GradientsInEveryLayout) {
  forAll([&](const Case& original, int block, Statistics statistics) {
    const Case k = with(original, statistics);
    const Data data(k);
    const Moments moments(k, data, statistics);
    Gradients got;
    sameForThreads([&] {
      got = backward(kernels_, k, block, statistics, data, moments);
      std::vector<float> all = got.gx;
      all.insert(all.end(), got.gweight.begin(), got.gweight.end());
      all.insert(all.end(), got.gbias.begin(), got.gbias.end());
      return all;
    });
    const auto gradient = [&](int64_t i) {
      if (k.rectifier.low == 0.0f && data.y[i] <= 0.0f) return 0.0;
      if (k.rectifier.high == 0.75f && data.y[i] >= 0.75f) return 0.0;
      return static_cast<double>(data.gy[i]);
    };
    std::vector<double> sums(k.c), products(k.c);  // of gy, and of gy times the normalised x
    const auto normalised = [&](int64_t i) {
      const int64_t c = k.channel(i);
      return (data.x[i] - moments.mean[c]) / std::sqrt(moments.var[c] + kEps);
    };
    for (int64_t i = 0; k.isReal(i) && i < k.count(); ++i) {
      sums[k.channel(i)] += gradient(i);
      products[k.channel(i)] += gradient(i) * normalised(i);
    }
    for (int64_t c = 0; c < k.c; ++c) {
      if (k.hasWeight) ASSERT_NEAR(got.gweight[c], products[c], 2e-5 * (1 + std::abs(products[c])));
      if (k.hasBias) ASSERT_NEAR(got.gbias[c], sums[c], 2e-5 * (1 + std::abs(sums[c])));
    }
    for (int64_t i = 0; i < k.count(); ++i) {
      const int64_t c = k.channel(i);
      double want = gradient(i);
      if (statistics == Statistics::Batch && k.rows > 0) {
        want -= (sums[c] + normalised(i) * products[c]) / k.values();
      }
      want *= (k.hasWeight ? data.weight[c] : 1.0) / std::sqrt(moments.var[c] + kEps);
      if (!k.isReal(i)) want = 0.0;
      ASSERT_NEAR(got.gx[i], want, 5e-6 * (1 + std::abs(want))) << "element " << i;
    }
  });
}

TEST_P(BatchNorm, AMaskIsTheSameWhereItIsComputedAnew) {
  forAll([&](const Case& original, int block, Statistics) {
    Case k = original;
    k.hasResidual = false;
    Data data(k);
    const Output output = forward(kernels_, k, block, Statistics::Batch, data);
    Moments moments(k, data, Statistics::Batch);
    moments.mean.assign(output.mean.begin(), output.mean.end());
    moments.var.assign(output.var.begin(), output.var.end());
    data.y = output.y;
    const auto run = [&](bool readsOutput) {
      return backward(kernels_, k, block, Statistics::Batch, data, moments, readsOutput);
    };
    const Gradients wanted = run(true);
    Gradients got;
    sameForThreads([&] { return (got = run(false)).gx; });
    EXPECT_EQ(got.gx, wanted.gx);
    EXPECT_EQ(got.gweight, wanted.gweight);
    EXPECT_EQ(got.gbias, wanted.gbias);
  });
}

TEST_P(BatchNorm, NanAndInfinityStayInTheirChannel) {
  const Case k{2, 20, 33, 2, true, true, false, kRelu};
  for (const int block : kBlocks) {
    Data data(k);
    const auto clean = forward(kernels_, k, block, Statistics::Batch, data).y;
    data.x[3 * k.hw + 5] = kNan;
    data.x[17 * k.hw + 32] = kInfinity;
    const auto y = forward(kernels_, k, block, Statistics::Batch, data).y;
    for (int64_t i = 0; i < k.count(); ++i) {
      const bool isReached = k.channel(i) == 3 || k.channel(i) == 17;
      if (isReached) {
        ASSERT_TRUE(std::isnan(y[i])) << i;
      } else {
        ASSERT_EQ(y[i], clean[i]) << i;
      }
    }
  }
}

TEST(RunningStatistics, MoveByMomentumOrToTheMean) {
  const float mean[] = {2.0f, -1.0f}, var[] = {3.0f, 0.5f};
  Guarded<float> runningMean({1.0f, 1.0f}), runningVar({1.0f, 1.0f});
  Guarded<int32_t> batches(std::vector<int32_t>{3});
  updateRunning({2, 0.25, false}, 4, mean, var, runningMean.data(), runningVar.data(),
                batches.data());
  EXPECT_EQ(runningMean.values(), (std::vector{1.25f, 0.5f}));
  EXPECT_EQ(runningVar.values(), (std::vector{1.75f, 0.75f + 0.25f * 0.5f * 4 / 3}));
  EXPECT_EQ(batches.values(), std::vector{4});
  updateRunning({2, 0, true}, 4, mean, var, runningMean.data(), runningVar.data(), batches.data());
  EXPECT_EQ(runningMean.values(), (std::vector{1.4f, 0.2f}));
  EXPECT_EQ(batches.values(), std::vector{5});
  const auto before = runningMean.values();
  updateRunning({2, 0.25, false}, 0, mean, var, runningMean.data(), runningVar.data(),
                batches.data());
  EXPECT_EQ(runningMean.values(), before) << "no real row";
  EXPECT_EQ(batches.values(), std::vector{5});
}

}  // namespace
}  // namespace neuronode
