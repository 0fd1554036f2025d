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
