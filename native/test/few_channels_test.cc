// The weight gradient for few input channels, against a float64 reference.
#include "cpu/convolution/few_channels.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "conv_shapes.h"

namespace neuronode::testing {
namespace {

struct Problem {
  ConvShape shape;
  std::vector<float> x, gy;  // gy channel-blocked
  std::vector<double> gw;    // the reference
};

Problem makeProblem(ConvShape s, int lanes) {
  s = withOutputs(s);
  const int64_t groups = (s.k + lanes - 1) / lanes;
  Problem problem{s, std::vector<float>(s.n * s.c * s.h * s.w),
                  std::vector<float>(s.n * groups * s.outH * s.outW * lanes),
                  std::vector<double>(s.k * s.c * s.kernelH * s.kernelW)};
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (float& value : problem.x) value = uniform(random);
  for (int64_t n = 0; n < s.n; ++n) {
    for (int64_t k = 0; k < s.k; ++k) {
      for (int64_t i = 0; i < s.outH * s.outW; ++i) {
        const int64_t group = n * groups + k / lanes;
        const float g = uniform(random);
        problem.gy[(group * s.outH * s.outW + i) * lanes + k % lanes] = g;
        for (int64_t tap = 0; tap < s.c * s.kernelH * s.kernelW; ++tap) {
          const int64_t c = tap / (s.kernelH * s.kernelW);
          const int64_t kh = tap / s.kernelW % s.kernelH, kw = tap % s.kernelW;
          const int64_t h = i / s.outW * s.strideH - s.padH + kh * s.dilationH;
          const int64_t w = i % s.outW * s.strideW - s.padW + kw * s.dilationW;
          if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
          problem.gw[k * s.c * s.kernelH * s.kernelW + tap] +=
              static_cast<double>(g) * problem.x[((n * s.c + c) * s.h + h) * s.w + w];
        }
      }
    }
  }
  return problem;
}

std::vector<float> compute(const Problem& problem, const FewChannelsKernels& kernels) {
  const FewChannelsWeightGrad grad(problem.shape, kernels);
  constexpr float kGuard = 12345;
  std::vector<float> workspace(grad.workspaceBytes() / sizeof(float) + 1, kGuard);
  std::vector<float> gw(problem.gw.size() + 1, kGuard);
  grad.run(problem.x.data(), problem.gy.data(), gw.data(), workspace.data());
  EXPECT_EQ(gw.back(), kGuard);
  EXPECT_EQ(workspace.back(), kGuard);
  gw.pop_back();
  return gw;
}

const std::vector<ConvShape> kShapes = {
    // n, c, h, w, k, kernelH, kernelW, (outH, outW), strides, paddings, dilations
    {2, 1, 47, 43, 96, 11, 11, 0, 0, 4, 4, 0, 0, 1, 1},
    {9, 1, 12, 12, 6, 5, 5, 0, 0, 1, 1, 0, 0, 1, 1},
    {1, 3, 9, 8, 17, 3, 3, 0, 0, 2, 1, 1, 2, 1, 1},
    {5, 2, 10, 11, 33, 2, 7, 0, 0, 1, 3, 0, 3, 2, 1},
    {3, 1, 1, 30, 8, 1, 13, 0, 0, 1, 1, 0, 6, 1, 2},
};

class FewChannels : public ::testing::TestWithParam<Isa> {};

TEST_P(FewChannels, AgreesWithFloat64AndIsTheSameOnAnyNumberOfThreads) {
  if (!isaSupported(GetParam())) {
    GTEST_SKIP() << "this processor has no " << isaName(GetParam());
  }
  const FewChannelsKernels& kernels = fewChannelsKernels(GetParam());
  const int threads = omp_get_max_threads();
  for (const ConvShape& shape : kShapes) {
    const Problem problem = makeProblem(shape, kernels.lanes);
    const std::vector<float> gw = compute(problem, kernels);
    double worst = 0, largest = 0;
    for (size_t i = 0; i < gw.size(); ++i) {
      worst = std::max(worst, std::abs(gw[i] - problem.gw[i]));
      largest = std::max(largest, std::abs(problem.gw[i]));
    }
    EXPECT_LT(worst, 1e-5 * largest);
    for (int count : {1, 2, 3, 4}) {
      omp_set_num_threads(count);
      EXPECT_EQ(compute(problem, kernels), gw) << count << " threads";
    }
    omp_set_num_threads(threads);
  }
}

INSTANTIATE_TEST_SUITE_P(AllIsas, FewChannels,
                         ::testing::Values(Isa::Baseline, Isa::Avx2, Isa::Avx512),
                         [](const auto& info) { return isaName(info.param); });

}  // namespace
}  // namespace neuronode::testing
