// What the tests of convolutions share: nodes of one convolution, and what they must give, by plain
// loops in f64.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend.h"

namespace neuronode::cuda::testing {

struct ConvNode {
  const char* name;
  Shape x, w;
  int64_t strideH = 1, strideW = 1, padH = 0, padW = 0, dilationH = 1, dilationW = 1, groups = 1;

  Shape y() const {
    const auto extent = [](int64_t in, int64_t kernel, int64_t pad, int64_t dilation,
                           int64_t stride) {
      return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
    };
    return {x[0], w[0], extent(x[2], w[2], padH, dilationH, strideH),
            extent(x[3], w[3], padW, dilationW, strideW)};
  }

  NodeSpec spec(Op op) const {
    NodeSpec spec;
    spec.op = op;
    const auto pair = [](int64_t h, int64_t w) {
      return std::vector{static_cast<double>(h), static_cast<double>(w)};
    };
    spec.attrs.set("stride", pair(strideH, strideW));
    spec.attrs.set("padding", pair(padH, padW));
    spec.attrs.set("dilation", pair(dilationH, dilationW));
    spec.attrs.set("groups", {static_cast<double>(groups)});
    return spec;
  }

  // body(place in x, in w, in y) for every product of the convolution.
  template <class Body>
  void eachProduct(Body body) const {
    const Shape out = y();
    const int64_t channels = w[1], filters = w[0] / groups;
    for (int64_t i = 0; i < elementCount(out); ++i) {
      const int64_t ow = i % out[3], oh = i / out[3] % out[2];
      const int64_t k = i / (out[3] * out[2]) % out[1], n = i / (out[3] * out[2] * out[1]);
      for (int64_t j = 0; j < channels * w[2] * w[3]; ++j) {
        const int64_t s = j % w[3], r = j / w[3] % w[2], c = j / (w[3] * w[2]);
        const int64_t h = oh * strideH - padH + r * dilationH;
        const int64_t v = ow * strideW - padW + s * dilationW;
        if (h < 0 || h >= x[2] || v < 0 || v >= x[3]) continue;
        const int64_t channel = k / filters * channels + c;
        body(((n * x[1] + channel) * x[2] + h) * x[3] + v, k * channels * w[2] * w[3] + j, i);
      }
    }
  }
};

inline std::vector<double> expectedForward(const ConvNode& node, const std::vector<float>& x,
                                           const std::vector<float>& w,
                                           const std::vector<float>& bias, bool relu) {
  const Shape out = node.y();
  std::vector<double> y(elementCount(out));
  node.eachProduct([&](int64_t i, int64_t j, int64_t k) { y[k] += double{x[i]} * double{w[j]}; });
  for (size_t i = 0; i < y.size(); ++i) {
    if (!bias.empty()) y[i] += bias[i / (out[2] * out[3]) % out[1]];
    if (relu) y[i] = std::max(y[i], 0.0);
  }
  return y;
}

inline std::vector<double> expectedInputGrad(const ConvNode& node, const std::vector<float>& gy,
                                             const std::vector<float>& w,
                                             const std::vector<float>& mask) {
  std::vector<double> gx(elementCount(node.x));
  node.eachProduct([&](int64_t i, int64_t j, int64_t k) { gx[i] += double{gy[k]} * double{w[j]}; });
  for (size_t i = 0; i < mask.size(); ++i) {
    if (!(mask[i] > 0)) gx[i] = 0;
  }
  return gx;
}

inline std::vector<double> expectedWeightGrad(const ConvNode& node, const std::vector<float>& x,
                                              const std::vector<float>& gy) {
  std::vector<double> gw(elementCount(node.w));
  node.eachProduct([&](int64_t i, int64_t j, int64_t k) { gw[j] += double{x[i]} * double{gy[k]}; });
  return gw;
}

inline std::vector<double> expectedBiasGrad(const ConvNode& node, const std::vector<float>& gy) {
  const Shape out = node.y();
  std::vector<double> gb(out[1]);
  for (size_t i = 0; i < gy.size(); ++i) gb[i / (out[2] * out[3]) % out[1]] += gy[i];
  return gb;
}

// The largest difference, relative to the largest magnitude expected.
inline double difference(const std::vector<float>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size()) return INFINITY;
  double most = 0, largest = 1e-30;
  for (size_t i = 0; i < actual.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    const double off = std::abs(actual[i] - expected[i]);
    if (!(off <= most)) most = std::isnan(off) ? INFINITY : off;
  }
  return most / largest;
}

}  // namespace neuronode::cuda::testing
