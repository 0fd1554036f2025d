// Depthwise convolution over channel-blocked activations, against a float64 reference.
#include "cpu/convolution/depthwise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "conv_shapes.h"
#include "kernel_test.h"

namespace neuronode::testing {
namespace {

// Calls fn(y's index, x's index, weight's index) for each product of the convolution.
template <class Fn>
void forProducts(const ConvShape& s, const Fn& fn) {
  for (int64_t y = 0; y < s.n * s.c * s.outH * s.outW; ++y) {
    const int64_t ow = y % s.outW, oh = y / s.outW % s.outH, plane = y / s.outW / s.outH;
    for (int64_t tap = 0; tap < s.taps(); ++tap) {
      const int64_t h = oh * s.strideH - s.padH + tap / s.kernelW * s.dilationH;
      const int64_t w = ow * s.strideW - s.padW + tap % s.kernelW * s.dilationW;
      if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
      fn(y, (plane * s.h + h) * s.w + w, plane % s.c * s.taps() + tap);
    }
  }
}

const std::vector<ConvShape> kShapes = {
    // n, c, h, w, k, kernelH, kernelW, (outH, outW), strides, paddings, dilations, groups
    {3, 32, 32, 32, 32, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 32},    // MobileNetV2's
    {2, 24, 17, 16, 24, 3, 3, 0, 0, 2, 2, 1, 1, 1, 1, 24},    // half a block, odd rows
    {5, 17, 4, 4, 17, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 17},      // padding lanes
    {2, 40, 13, 14, 40, 5, 5, 0, 0, 1, 1, 2, 2, 1, 1, 40},    // 5x5
    {2, 9, 15, 15, 9, 5, 5, 0, 0, 2, 2, 2, 2, 1, 1, 9},       // 5x5, strided
    {1, 16, 130, 131, 16, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 16},  // rows in several tasks
    {1, 3, 96, 97, 3, 3, 3, 0, 0, 2, 2, 0, 1, 1, 1, 3},       // the same, strided, few channels
    {2, 8, 11, 12, 8, 3, 3, 0, 0, 1, 1, 2, 2, 2, 2, 8},       // dilated
    {2, 8, 12, 11, 8, 3, 4, 0, 0, 2, 3, 2, 3, 3, 2, 8},       // stride and dilation share a factor
    {1, 5, 14, 13, 5, 3, 3, 0, 0, 4, 2, 0, 0, 2, 4, 5},       // taps on some phases alone
    {2, 8, 9, 9, 8, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 8},         // one tap
    {2, 8, 9, 9, 8, 1, 1, 0, 0, 3, 2, 1, 2, 1, 1, 8},         // outputs of padding alone
    {2, 18, 2, 3, 18, 7, 7, 0, 0, 1, 1, 3, 4, 1, 1, 18},      // a kernel larger than the image
    {1, 8, 1, 1, 8, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 8},         // one pixel
    {200, 20, 2, 2, 20, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 20},    // many small images
    {2, 10, 9, 40, 10, 2, 6, 0, 0, 1, 1, 0, 5, 1, 2, 10},     // nothing square
};

std::string describe(const ConvShape& s) {
  return std::to_string(s.c) + "x" + std::to_string(s.h) + "x" + std::to_string(s.w) + ", kernel " +
         std::to_string(s.kernelH) + "x" + std::to_string(s.kernelW) + ", strides " +
         std::to_string(s.strideH) + " and " + std::to_string(s.strideW);
}

void expectNear(const std::vector<float>& got, const std::vector<double>& expected, double taps,
                const ConvShape& s) {
  ASSERT_EQ(got.size(), expected.size());
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(got[i] - expected[i]));
  }
  EXPECT_LT(worst, 1e-6 * std::sqrt(taps)) << describe(s);
}

using Depthwise = IsaTest;

struct Data {
  Data(const ConvShape& s, int lanes)
      : x(randomFloats(s.n * s.c * s.h * s.w, -1, 1, 1)),
        gy(randomFloats(s.n * s.c * s.outH * s.outW, -1, 1, 2)),
        w(randomFloats(s.c * s.taps(), -1, 1, 3)),
        xPlane{s.n, s.c, s.h * s.w, lanes},
        yPlane{s.n, s.c, s.outH * s.outW, lanes} {}

  std::vector<float> x, gy, w;
  PlaneShape xPlane, yPlane;
};

// Runs a pass, with guards round all that it touches, on several numbers of threads.
std::vector<float> runPass(const DepthwiseConv& conv, const std::vector<float>& from,
                           const std::vector<float>& w, const std::vector<float>* bias,
                           const std::vector<float>* mask, bool relu, const PlaneShape& to) {
  return sameForThreads([&] {
    Guarded<float> source(from), weights(w), out(to.elements());
    Guarded<float> biases(bias == nullptr ? std::vector<float>{} : *bias);
    Guarded<float> masks(mask == nullptr ? std::vector<float>{} : *mask);
    Guarded<float> workspace(static_cast<int64_t>(conv.workspaceBytes() / sizeof(float)));
    conv.run(source.data(), weights.data(), bias == nullptr ? nullptr : biases.data(),
             mask == nullptr ? nullptr : masks.data(), relu, out.data(), workspace.data());
    return fromLayout(out.values(), to);
  });
}

TEST_P(Depthwise, ForwardAgreesWithFloat64) {
  const DepthwiseKernels& kernels = depthwiseKernels(GetParam());
  for (const ConvShape& given : kShapes) {
    const ConvShape s = withOutputs(given);
    const Data data(s, kernels.lanes);
    const auto bias = randomFloats(s.c, -1, 1, 4);
    const DepthwiseConv conv(s, DepthwiseConv::Pass::Forward, kernels);
    for (const bool fused : {false, true}) {
      std::vector<double> expected(data.gy.size());
      forProducts(s, [&](int64_t y, int64_t x, int64_t w) {
        expected[y] += static_cast<double>(data.x[x]) * data.w[w];
      });
      for (size_t i = 0; fused && i < expected.size(); ++i) {
        expected[i] = std::max(0.0, expected[i] + bias[i / (s.outH * s.outW) % s.c]);
      }
      const auto got = runPass(conv, toLayout(data.x, data.xPlane), data.w, fused ? &bias : nullptr,
                               nullptr, fused, data.yPlane);
      expectNear(got, expected, static_cast<double>(s.taps()), s);
    }
  }
}

TEST_P(Depthwise, InputGradientAgreesWithFloat64) {
  const DepthwiseKernels& kernels = depthwiseKernels(GetParam());
  for (const ConvShape& given : kShapes) {
    const ConvShape s = withOutputs(given);
    const Data data(s, kernels.lanes);
    const DepthwiseConv conv(s, DepthwiseConv::Pass::InputGradient, kernels);
    for (const bool masked : {false, true}) {
      std::vector<double> expected(data.x.size());
      forProducts(s, [&](int64_t y, int64_t x, int64_t w) {
        expected[x] += static_cast<double>(data.gy[y]) * data.w[w];
      });
      for (size_t i = 0; masked && i < expected.size(); ++i) {
        if (data.x[i] <= 0) expected[i] = 0;
      }
      const auto mask = toLayout(data.x, data.xPlane);
      const auto got = runPass(conv, toLayout(data.gy, data.yPlane), data.w, nullptr,
                               masked ? &mask : nullptr, false, data.xPlane);
      expectNear(got, expected, static_cast<double>(s.taps()), s);
    }
  }
}

TEST_P(Depthwise, WeightGradientAgreesWithFloat64) {
  const DepthwiseKernels& kernels = depthwiseKernels(GetParam());
  for (const ConvShape& given : kShapes) {
    const ConvShape s = withOutputs(given);
    const Data data(s, kernels.lanes);
    std::vector<double> expected(data.w.size());
    forProducts(s, [&](int64_t y, int64_t x, int64_t w) {
      expected[w] += static_cast<double>(data.gy[y]) * data.x[x];
    });
    const DepthwiseWeightGrad grad(s, kernels);
    const auto x = toLayout(data.x, data.xPlane), gy = toLayout(data.gy, data.yPlane);
    const auto got = sameForThreads([&] {
      Guarded<float> left(x), right(gy), out(static_cast<int64_t>(expected.size()));
      Guarded<float> workspace(static_cast<int64_t>(grad.workspaceBytes() / sizeof(float)));
      grad.run(left.data(), right.data(), out.data(), workspace.data());
      return out.values();
    });
    expectNear(got, expected, 4.0 * static_cast<double>(s.n * s.outH * s.outW), s);
  }
}

TEST_P(Depthwise, PassesNaNThroughReluAndToItsOwnChannelAlone) {
  const DepthwiseKernels& kernels = depthwiseKernels(GetParam());
  const ConvShape s = withOutputs({2, 12, 6, 6, 12, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 12});
  Data data(s, kernels.lanes);
  data.x[5 * s.h * s.w + 14] = NAN;  // image 0, channel 5, where every tap passes
  const DepthwiseConv conv(s, DepthwiseConv::Pass::Forward, kernels);
  const auto y =
      runPass(conv, toLayout(data.x, data.xPlane), data.w, nullptr, nullptr, true, data.yPlane);
  int64_t count = 0;
  for (size_t i = 0; i < y.size(); ++i) {
    if (!std::isnan(y[i])) continue;
    ++count;
    EXPECT_EQ(static_cast<int64_t>(i) / (s.outH * s.outW), 5) << i;
  }
  EXPECT_EQ(count, 9);
  const DepthwiseWeightGrad grad(s, kernels);
  const auto x = toLayout(data.x, data.xPlane), gy = toLayout(data.gy, data.yPlane);
  std::vector<float> gw(data.w.size()), workspace(grad.workspaceBytes() / sizeof(float));
  grad.run(x.data(), gy.data(), gw.data(), workspace.data());
  for (size_t i = 0; i < gw.size(); ++i) EXPECT_EQ(std::isnan(gw[i]), i / 9 == 5) << i;
}

INSTANTIATE_TEST_SUITE_P(AllIsas, Depthwise, ::testing::ValuesIn(supportedIsas()), isaTestName);

}  // namespace
}  // namespace neuronode::testing
