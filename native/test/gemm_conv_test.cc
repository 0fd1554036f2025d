// Convolution and its gradients by matrix products, against a float64 reference.
#include "cpu/convolution/gemm_conv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "conv_shapes.h"
#include "kernel_test.h"

namespace neuronode::testing {
namespace {

/// Calls product(x, w, y) with the indices of all products of a convolution.
template <class Product>
void forProducts(const ConvShape& s, Product product) {
  const int64_t groupC = s.c / s.groups, groupK = s.k / s.groups;
  for (int64_t y = 0; y < s.n * s.k * s.outH * s.outW; ++y) {
    const int64_t ow = y % s.outW, oh = y / s.outW % s.outH, k = y / s.outW / s.outH % s.k;
    const int64_t n = y / s.outW / s.outH / s.k;
    for (int64_t i = 0; i < groupC * s.taps(); ++i) {
      const int64_t h = oh * s.strideH - s.padH + i / s.kernelW % s.kernelH * s.dilationH;
      const int64_t w = ow * s.strideW - s.padW + i % s.kernelW * s.dilationW;
      if (h < 0 || h >= s.h || w < 0 || w >= s.w) continue;
      const int64_t c = k / groupK * groupC + i / s.taps();
      product(((n * s.c + c) * s.h + h) * s.w + w, k * groupC * s.taps() + i, y);
    }
  }
}

void expectNear(const std::vector<float>& values, const std::vector<double>& expected) {
  ASSERT_EQ(values.size(), expected.size());
  double worst = 0, largest = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    worst = std::max(worst, std::abs(values[i] - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  EXPECT_LT(worst, 2e-6 * largest);
}

const std::vector<ConvShape> kShapes = {
    // n, c, h, w, k, kernelH, kernelW, (outH, outW), strides, paddings, dilations, groups
    {9, 6, 12, 12, 16, 5, 5, 0, 0, 1, 1, 0, 0, 1, 1, 1},  // LeNet's second layer
    {1, 20, 60, 70, 5, 5, 5, 0, 0, 1, 1, 2, 2, 1, 1, 1},  // several strips, chunks of channels
    {3, 12, 9, 8, 8, 3, 3, 0, 0, 2, 1, 1, 2, 1, 1, 4},    // groups
    {2, 15, 7, 7, 30, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 3},   // pointwise
    {1, 700, 40, 5, 3, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1},  // pointwise, several strips and chunks
    {2, 5, 5, 6, 4, 1, 1, 0, 0, 1, 1, 1, 2, 1, 1, 1},     // taps that see padding alone
    {2, 4, 11, 10, 7, 2, 3, 0, 0, 1, 3, 1, 0, 3, 2, 1},   // dilated, nothing square
    {2, 6, 9, 9, 6, 3, 3, 0, 0, 3, 3, 0, 0, 1, 1, 6},     // depthwise; inputs that nothing reads
};

TEST(GemmConv, AgreesWithFloat64AndIsTheSameOnAnyNumberOfThreads) {
  for (const ConvShape& given : kShapes) {
    SCOPED_TRACE(std::to_string(given.c) + " to " + std::to_string(given.k));
    const ConvShape s = withOutputs(given);
    const int64_t inputs = s.n * s.c * s.h * s.w, outputs = s.n * s.k * s.outH * s.outW;
    const int64_t weights = s.k * s.c / s.groups * s.taps();
    const auto x = randomFloats(inputs, -1, 1, 1), w = randomFloats(weights, -1, 1, 2);
    const auto gy = randomFloats(outputs, -1, 1, 3), bias = randomFloats(s.k, -1, 1, 4);
    std::vector<double> y(outputs), gx(inputs), gw(weights);
    for (int64_t i = 0; i < outputs; ++i) y[i] = bias[i / s.outH / s.outW % s.k];
    forProducts(s, [&](int64_t xi, int64_t wi, int64_t yi) {
      y[yi] += static_cast<double>(x[xi]) * w[wi];
      gx[xi] += static_cast<double>(gy[yi]) * w[wi];
      gw[wi] += static_cast<double>(gy[yi]) * x[xi];
    });
    const auto forward = [&](bool relu) {
      const GemmConv conv(s, omp_get_max_threads());
      Guarded<float> from(x), filters(w), added(bias), to(outputs);
      Guarded<float> workspace(static_cast<int64_t>(conv.forwardBytes() / sizeof(float)));
      conv.forward(from.data(), filters.data(), added.data(), to.data(), relu, workspace.data());
      return to.values();
    };
    expectNear(sameForThreads([&] { return forward(false); }), y);
    for (double& value : y) value = std::max(value, 0.0);
    expectNear(forward(true), y);
    const auto gradient = sameForThreads([&] {
      const GemmConv conv(s, omp_get_max_threads());
      Guarded<float> from(gy), filters(w), to(inputs);
      Guarded<float> workspace(static_cast<int64_t>(conv.inputGradientBytes() / sizeof(float)));
      conv.inputGradient(from.data(), filters.data(), to.data(), workspace.data());
      return to.values();
    });
    expectNear(gradient, gx);
    const auto weightGradient = sameForThreads([&] {
      const GemmConv conv(s, omp_get_max_threads());
      Guarded<float> from(x), outer(gy), to(weights);
      Guarded<float> workspace(static_cast<int64_t>(conv.weightGradientBytes() / sizeof(float)));
      conv.weightGradient(from.data(), outer.data(), to.data(), workspace.data());
      return to.values();
    });
    expectNear(weightGradient, gw);
  }
}

TEST(GemmConv, PassesNaNThroughReluAndAsksForLittleMemory) {
  const ConvShape s = withOutputs({1, 64, 224, 224, 8, 7, 7, 0, 0, 1, 1, 3, 3, 1, 1, 1});
  const GemmConv conv(s, 2);
  constexpr size_t kColumns = 64 * 49 * 64;  // floats: the rows of all channels, 64 pixels of each
  EXPECT_EQ(conv.forwardBytes(), 2 * sizeof(float) * kColumns);
  EXPECT_LE(conv.inputGradientBytes(), 2 * sizeof(float) * (128 << 10));
  const ConvShape large = withOutputs({64, 1024, 3, 3, 1024, 3, 3, 0, 0, 1, 1, 1, 1, 1, 1, 1});
  const GemmConv largeConv(large, 2);  // one sum at a time
  EXPECT_EQ(largeConv.weightGradientBytes(), largeConv.forwardBytes());

  const ConvShape one = withOutputs({1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1});
  const float x = NAN, w = 1;
  float y = 0;
  GemmConv(one, 1).forward(&x, &w, nullptr, &y, true, nullptr);
  EXPECT_TRUE(std::isnan(y));
}

}  // namespace
}  // namespace neuronode::testing
