// Graphs and tensors that the graph layer's tests share.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "graph/program.h"
#include "graph/spec.h"

namespace neuronode::test {

inline int add(GraphSpec& graph, ValueKind kind, Shape shape, std::string name = "",
               DType dtype = DType::F32) {
  graph.values.push_back({kind, dtype, std::move(shape), std::move(name)});
  return static_cast<int>(graph.values.size()) - 1;
}

inline int intermediate(GraphSpec& graph, Shape shape, DType dtype = DType::F32) {
  return add(graph, ValueKind::Intermediate, std::move(shape), "", dtype);
}

inline Attrs convAttrs(double stride = 1, double padding = 1, double groups = 1) {
  Attrs attrs;
  attrs.set("stride", {stride, stride});
  attrs.set("padding", {padding, padding});
  attrs.set("dilation", {1, 1});
  attrs.set("groups", {groups});
  return attrs;
}

inline Attrs poolAttrs() {
  Attrs attrs;
  attrs.set("kernelSize", {2, 2});
  attrs.set("stride", {2, 2});
  attrs.set("padding", {0, 0});
  attrs.set("dilation", {1, 1});
  return attrs;
}

inline void addNode(GraphSpec& graph, Op op, std::vector<int> inputs, std::vector<int> outputs,
                    Attrs attrs = {}) {
  graph.nodes.push_back(
      {op, std::move(inputs), std::move(outputs), std::move(attrs), "layer", Phase::Forward});
}

// conv + ReLU + max-pool, the gradient of the pool's output given, and back to the convolution's
// weight gradient.
struct ConvNet {
  GraphSpec graph;
  int x, w, b, conv, relu, pool, indices, gy, gPool, gRelu, gw;

  ConvNet() {
    x = add(graph, ValueKind::Input, {2, 3, 6, 6}, "x");
    w = add(graph, ValueKind::Parameter, {5, 3, 3, 3}, "w");
    b = add(graph, ValueKind::Parameter, {5}, "b");
    gy = add(graph, ValueKind::Input, {2, 5, 3, 3}, "gy");
    conv = intermediate(graph, {2, 5, 6, 6});
    relu = intermediate(graph, {2, 5, 6, 6});
    pool = intermediate(graph, {2, 5, 3, 3});
    indices = intermediate(graph, {2, 5, 3, 3}, DType::U8);
    gPool = intermediate(graph, {2, 5, 6, 6});
    gRelu = intermediate(graph, {2, 5, 6, 6});
    gw = intermediate(graph, {5, 3, 3, 3});
    addNode(graph, Op::Conv2d, {x, w, b}, {conv}, convAttrs());
    addNode(graph, Op::Relu, {conv}, {relu});
    addNode(graph, Op::MaxPool2d, {relu}, {pool, indices}, poolAttrs());
    addNode(graph, Op::MaxPool2dGrad, {gy, indices}, {gPool}, poolAttrs());
    addNode(graph, Op::ReluGrad, {gPool, relu}, {gRelu});
    addNode(graph, Op::Conv2dWeightGrad, {x, gRelu}, {gw}, convAttrs());
    graph.outputs = {{"pool", pool}, {"gw", gw}};
  }
};

// Batch normalisation through a ReLU, and its gradients.
struct RectifiedNet {
  GraphSpec graph;
  int x, count, weight, bias, gy, normalised, mean, variance, y, gNormalised, gx, gWeight, gBias;

  explicit RectifiedNet(Op relu = Op::Relu, bool hasBias = true) {
    const Shape image{3, 5, 7, 6};
    x = add(graph, ValueKind::Input, image, "x");
    count = add(graph, ValueKind::Input, {}, "count", DType::I32);
    weight = add(graph, ValueKind::Parameter, {5}, "weight");
    if (hasBias) bias = add(graph, ValueKind::Parameter, {5}, "bias");
    gy = add(graph, ValueKind::Input, image, "gy");
    for (int* value : {&normalised, &y, &gNormalised, &gx}) *value = intermediate(graph, image);
    for (int* value : {&mean, &variance, &gWeight, &gBias}) *value = intermediate(graph, {5});
    Attrs eps;
    eps.set("eps", {1e-5});
    std::vector<int> inputs{x, count, weight};
    if (hasBias) inputs.push_back(bias);
    addNode(graph, Op::BatchNorm, inputs, {normalised, mean, variance}, eps);
    addNode(graph, relu, {normalised}, {y});
    addNode(graph, relu == Op::Relu ? Op::ReluGrad : Op::Relu6Grad, {gy, y}, {gNormalised});
    addNode(graph, Op::BatchNormGrad, {gNormalised, x, mean, variance, count, weight},
            {gx, gWeight, gBias}, eps);
    graph.outputs = {{"y", y}, {"gx", gx}, {"gWeight", gWeight}, {"gBias", gBias}};
  }

  // The same, with every value among the outputs, so that nothing can be fused.
  GraphSpec unfused() const {
    GraphSpec all = graph;
    all.outputs.push_back({"normalised", normalised});
    all.outputs.push_back({"gNormalised", gNormalised});
    return all;
  }
};

// Batch normalisation of x plus a shortcut, through a ReLU, and gradients: of y as the sum of two,
// which two nodes read; and of z, the ReLU of x plus the shortcut, into batch normalisation alone.
struct ResidualNet {
  GraphSpec graph;
  int x, shortcut, count, weight, bias, gy, gy2, gz;
  int normalised, mean, variance, sum, y, gBoth, gSum, gx, gWeight, gBias, xSum, z, gzSum, gx2;

  static Shape shape() { return {3, 5, 7, 6}; }

  explicit ResidualNet(Op relu = Op::Relu, bool normalisedFirst = true) {
    const Op gradient = relu == Op::Relu ? Op::ReluGrad : Op::Relu6Grad;
    const auto image = [&](const char* name) {
      return add(graph, ValueKind::Input, shape(), name);
    };
    x = image("x");
    shortcut = image("shortcut");
    count = add(graph, ValueKind::Input, {}, "count", DType::I32);
    weight = add(graph, ValueKind::Parameter, {5}, "weight");
    bias = add(graph, ValueKind::Parameter, {5}, "bias");
    gy = image("gy");
    gy2 = image("gy2");
    gz = image("gz");
    for (int* value : {&normalised, &sum, &y, &gBoth, &gSum, &gx, &xSum, &z, &gzSum, &gx2}) {
      *value = intermediate(graph, shape());
    }
    for (int* value : {&mean, &variance, &gWeight, &gBias}) *value = intermediate(graph, {5});
    Attrs eps;
    eps.set("eps", {1e-5});
    addNode(graph, Op::BatchNorm, {x, count, weight, bias}, {normalised, mean, variance}, eps);
    const std::vector<int> terms{normalised, shortcut};
    addNode(graph, Op::Add, normalisedFirst ? terms : std::vector{shortcut, normalised}, {sum});
    addNode(graph, relu, {sum}, {y});
    addNode(graph, Op::Add, {gy, gy2}, {gBoth});
    addNode(graph, gradient, {gBoth, y}, {gSum});
    addNode(graph, Op::BatchNormGrad, {gSum, x, mean, variance, count, weight},
            {gx, gWeight, gBias}, eps);
    addNode(graph, Op::Add, {x, shortcut}, {xSum});
    addNode(graph, relu, {xSum}, {z});
    addNode(graph, gradient, {gz, z}, {gzSum});
    addNode(graph, Op::BatchNormGrad, {gzSum, x, mean, variance, count, weight}, {gx2}, eps);
    graph.outputs = {{"y", y}, {"gShortcut", gSum}, {"gx", gx},  {"gWeight", gWeight},
                     {"z", z}, {"gBias", gBias},    {"gx2", gx2}};
  }

  // The same, with every value among the outputs, so that nothing can be fused.
  GraphSpec unfused() const {
    GraphSpec all = graph;
    for (const int value : {normalised, sum, gBoth, xSum, gzSum}) {
      all.outputs.push_back({"value" + std::to_string(value), value});
    }
    return all;
  }
};

inline HostTensor hostTensor(const Shape& shape, float (*value)(int64_t)) {
  HostTensor tensor{DType::F32, shape, {}};
  std::vector<float> floats(static_cast<size_t>(elementCount(shape)));
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = value(static_cast<int64_t>(i));
  tensor.bytes.resize(floats.size() * sizeof(float));
  std::memcpy(tensor.bytes.data(), floats.data(), tensor.bytes.size());
  return tensor;
}

template <typename T>
std::vector<std::byte> bytesOf(const T& value) {
  const auto* first = reinterpret_cast<const std::byte*>(&value);
  return {first, first + sizeof value};
}

inline std::vector<float> floatsOf(const HostTensor& tensor) {
  std::vector<float> floats(tensor.bytes.size() / sizeof(float));
  std::memcpy(floats.data(), tensor.bytes.data(), tensor.bytes.size());
  return floats;
}

}  // namespace neuronode::test
