// The weight gradient over channel-blocked activations, against a float64 reference.
#include "cpu/convolution/blocked_weight_grad.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "conv_shapes.h"
#include "kernel_test.h"

namespace neuronode::testing {
namespace {

// x: [n, c, h, w], gy: [n, k, outH, outW], both plain; [k, c / groups, kernelH, kernelW]
std::vector<double> reference(const ConvShape& s, const std::vector<float>& x,
                              const std::vector<float>& gy) {
  const int64_t groupC = s.c / s.groups, groupK = s.k / s.groups, taps = s.kernelH * s.kernelW;
  std::vector<double> gw(s.k * groupC * taps);
  for (int64_t i = 0; i < static_cast<int64_t>(gw.size()); ++i) {
    const int64_t kw = i % s.kernelW, kh = i / s.kernelW % s.kernelH;
    const int64_t k = i / taps / groupC, c = k / groupK * groupC + i / taps % groupC;
    for (int64_t n = 0; n < s.n; ++n) {
      for (int64_t oh = 0; oh < s.outH; ++oh) {
        for (int64_t ow = 0; ow < s.outW; ++ow) {
          const int64_t h = oh * s.strideH - s.padH + kh * s.dilationH;
          const int64_t w = ow * s.strideW - s.padW + kw * s.dilationW;
          if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
          gw[i] += static_cast<double>(gy[((n * s.k + k) * s.outH + oh) * s.outW + ow]) *
                   x[((n * s.c + c) * s.h + h) * s.w + w];
        }
      }
    }
  }
  return gw;
}

const std::vector<ConvShape> kShapes = {
    // n, c, h, w, k, kernelH, kernelW, (outH, outW), strides, paddings, dilations, groups
    {7, 20, 13, 13, 40, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1},   // an image as one row
    {2, 5, 30, 31, 70, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1},    // longer than a box
    {3, 33, 9, 8, 17, 1, 1, 0, 0, 2, 2, 0, 0, 1, 1, 1},     // strided
    {5, 4, 5, 6, 9, 1, 1, 0, 0, 1, 1, 1, 2, 1, 1, 1},       // taps that see padding alone
    {9, 6, 12, 12, 16, 5, 5, 0, 0, 1, 1, 0, 0, 1, 1, 1},    // LeNet's second layer
    {1, 40, 14, 15, 24, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 1},   // one image
    {2, 8, 6, 300, 8, 2, 3, 0, 0, 1, 1, 0, 1, 1, 1, 1},     // rows longer than a box
    {3, 17, 10, 11, 33, 2, 7, 0, 0, 1, 3, 0, 3, 2, 1, 1},   // nothing square
    {40, 24, 40, 41, 24, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1},  // several parts
    {130, 8, 3, 3, 8, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 1},     // images smaller than a box
    {2, 7, 9, 9, 5, 3, 3, 0, 0, 2, 2, 2, 2, 2, 2, 1},       // dilated
    {3, 96, 7, 7, 32, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 2},     // groups of whole blocks
    {2, 64, 5, 5, 160, 3, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1},    // several tasks
};

// [k, c / groups, taps] in blocks of both channels, padding lanes zero.
std::vector<float> toBlocks(const std::vector<float>& gw, const ConvShape& s, int64_t lanes) {
  const int64_t groupC = s.c / s.groups, groupK = s.k / s.groups;
  const int64_t cBlocks = ceilDivide(groupC, lanes), kBlocks = ceilDivide(groupK, lanes);
  std::vector<float> blocks(s.groups * kBlocks * cBlocks * s.taps() * lanes * lanes);
  for (int64_t i = 0; i < static_cast<int64_t>(gw.size()); ++i) {
    const int64_t tap = i % s.taps(), c = i / s.taps() % groupC, k = i / s.taps() / groupC;
    const int64_t block = (k / groupK * kBlocks + k % groupK / lanes) * cBlocks + c / lanes;
    blocks[((block * s.taps() + tap) * lanes + c % lanes) * lanes + k % groupK % lanes] = gw[i];
  }
  return blocks;
}

using BlockedGrad = IsaTest;

TEST_P(BlockedGrad, AgreesWithFloat64AndIsTheSameOnAnyNumberOfThreads) {
  const BlockedGradKernels& kernels = blockedGradKernels(GetParam());
  for (const ConvShape& given : kShapes) {
    const ConvShape s = withOutputs(given);
    ASSERT_TRUE(BlockedWeightGrad::supported(s, kernels.lanes));
    const auto x = randomFloats(s.n * s.c * s.h * s.w, -1, 1, 1);
    const auto gy = randomFloats(s.n * s.k * s.outH * s.outW, -1, 1, 2);
    const auto blockedX = toLayout(x, {s.n, s.c, s.h * s.w, kernels.lanes});
    const auto blockedGy = toLayout(gy, {s.n, s.k, s.outH * s.outW, kernels.lanes});
    const std::vector<double> expected = reference(s, x, gy);
    const BlockedWeightGrad grad(s, kernels);
    const auto gw = sameForThreads([&] {
      Guarded<float> left(blockedX), right(blockedGy), out(static_cast<int64_t>(expected.size()));
      constexpr double kGuard = 12345;
      std::vector<double> workspace(grad.workspaceBytes() / sizeof(double) + 1, kGuard);
      grad.run(left.data(), right.data(), out.data(), workspace.data());
      EXPECT_EQ(workspace.back(), kGuard);
      return out.values();
    });
    const BlockedWeightGrad inBlocks(s, kernels, WeightOrder::Blocked);
    const std::vector<float> blockedGw = toBlocks(gw, s, kernels.lanes);
    Guarded<float> out(static_cast<int64_t>(blockedGw.size()));
    std::vector<double> workspace(inBlocks.workspaceBytes() / sizeof(double) + 1);
    inBlocks.run(blockedX.data(), blockedGy.data(), out.data(), workspace.data());
    EXPECT_EQ(out.values(), blockedGw) << "in blocks";
    double worst = 0, largest = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(gw[i] - expected[i]));
      largest = std::max(largest, std::abs(expected[i]));
    }
    EXPECT_LT(worst, 1e-5 * largest)
        << s.c << " to " << s.k << ", " << s.kernelH << "x" << s.kernelW;
  }
}

TEST_P(BlockedGrad, BoundsItsPartialSums) {
  const BlockedGradKernels& kernels = blockedGradKernels(GetParam());
  const auto bytes = [&](int64_t c, int64_t k, int64_t kernel) {
    const ConvShape s = withOutputs({128, c, 32, 32, k, kernel, kernel, 0, 0, 1, 1, 0, 0, 1, 1, 1});
    return static_cast<int64_t>(BlockedWeightGrad(s, kernels).workspaceBytes());
  };
  constexpr int64_t kPartialBytes = 16 << 20;
  EXPECT_LE(bytes(64, 64, 1), kPartialBytes);
  EXPECT_LE(bytes(256, 256, 5), kPartialBytes);
  EXPECT_LE(bytes(512, 1024, 3), 512 * 1024 * 9 * 4 * 11 / 10);  // hardly more than the gradient
}

TEST_P(BlockedGrad, PassesNaNToItsOwnChannelAlone) {
  const BlockedGradKernels& kernels = blockedGradKernels(GetParam());
  const ConvShape s = withOutputs({2, 12, 6, 6, 20, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 1});
  auto x = randomFloats(s.n * s.c * s.h * s.w, -1, 1, 1);
  x[5 * s.h * s.w + 14] = NAN;  // channel 5, where every tap passes
  const auto gy = randomFloats(s.n * s.k * s.outH * s.outW, -1, 1, 2);
  auto blockedX = toLayout(x, {s.n, s.c, s.h * s.w, kernels.lanes});
  auto blockedGy = toLayout(gy, {s.n, s.k, s.outH * s.outW, kernels.lanes});
  const BlockedWeightGrad grad(s, kernels);
  std::vector<float> gw(s.k * s.c * 9);
  std::vector<double> workspace(grad.workspaceBytes() / sizeof(double));
  grad.run(blockedX.data(), blockedGy.data(), gw.data(), workspace.data());
  for (size_t i = 0; i < gw.size(); ++i) {
    EXPECT_EQ(std::isnan(gw[i]), i / 9 % s.c == 5) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(AllIsas, BlockedGrad, ::testing::ValuesIn(supportedIsas()), isaTestName);

}  // namespace
}  // namespace neuronode::testing
