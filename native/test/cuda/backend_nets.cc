#include "backend_nets.h"

namespace neuronode::cuda::testing {

namespace {

Attrs convAttrs(double stride, double padding, double groups) {
  Attrs attrs;
  attrs.set("stride", {stride, stride});
  attrs.set("padding", {padding, padding});
  attrs.set("dilation", {1, 1});
  attrs.set("groups", {groups});
  return attrs;
}

Attrs poolAttrs(double kernel, double stride, double padding) {
  Attrs attrs;
  attrs.set("kernelSize", {kernel, kernel});
  attrs.set("stride", {stride, stride});
  attrs.set("padding", {padding, padding});
  attrs.set("dilation", {1, 1});
  attrs.set("countIncludePad", {1});
  return attrs;
}

int64_t windows(int64_t size, int64_t kernel, double stride, double padding) {
  return (size + 2 * static_cast<int64_t>(padding) - kernel) / static_cast<int64_t>(stride) + 1;
}

Attrs optimizerAttrs(Net::Optimizer optimizer) {
  Attrs attrs;
  attrs.set("weightDecay", {0.01});
  if (optimizer == Net::Optimizer::Adam) {
    attrs.set("beta1", {0.9});
    attrs.set("beta2", {0.999});
    attrs.set("eps", {1e-8});
    attrs.set("decoupled", {0});
  } else {
    attrs.set("momentum", {0.9});
    attrs.set("dampening", {0});
    attrs.set("nesterov", {0});
  }
  return attrs;
}

}  // namespace

int Net::value(ValueKind kind, Shape shape, std::string name, DType dtype) {
  graph.values.push_back({kind, dtype, std::move(shape), std::move(name)});
  return static_cast<int>(graph.values.size()) - 1;
}

void Net::node(Op op, std::vector<int> inputs, std::vector<int> outputs, const Attrs& attrs,
               Phase phase) {
  graph.nodes.push_back({op, std::move(inputs), std::move(outputs), attrs,
                         "layer" + std::to_string(layers_.size()), phase});
}

Net::Net(int64_t batch, int64_t channels, int64_t size) : batch_(batch) {
  const Shape shape{batch, channels, size, size};
  const int x = value(ValueKind::Input, shape, "x", DType::U8);
  current_ = intermediate(shape);
  Attrs attrs;
  attrs.set("mean", std::vector<double>(static_cast<size_t>(channels), 0.3));
  attrs.set("std", std::vector<double>(static_cast<size_t>(channels), 0.4));
  node(Op::ToFloat, {x}, {current_}, attrs, Phase::Forward);
}

Net& Net::add(Layer layer, Shape shape) {
  layer.x = current_;
  layer.y = current_ = intermediate(shape);
  std::vector<int> inputs{layer.x}, outputs{layer.y};
  if (layer.weight >= 0) inputs.push_back(layer.weight);
  if (layer.bias >= 0) inputs.push_back(layer.bias);
  if (layer.op == Op::Dropout) inputs.push_back(layer.extra);
  if (layer.op == Op::MaxPool2d) {
    layer.extra = value(ValueKind::Intermediate, shape, "", DType::U8);
    outputs.push_back(layer.extra);
  }
  node(layer.op, std::move(inputs), std::move(outputs), layer.attrs, Phase::Forward);
  layers_.push_back(std::move(layer));
  return *this;
}

Net& Net::conv(int64_t channels, int64_t kernel, double stride, double padding, double groups) {
  const Shape& x = shapeOf(current_);
  const Shape y{x[0], channels, windows(x[2], kernel, stride, padding),
                windows(x[3], kernel, stride, padding)};
  const std::string name = "conv" + std::to_string(layers_.size());
  const Shape filter{channels, x[1] / static_cast<int64_t>(groups), kernel, kernel};
  const int weight = value(ValueKind::Parameter, filter, name + ".weight");
  const int bias = value(ValueKind::Parameter, {channels}, name + ".bias");
  return add({.op = Op::Conv2d,
              .weight = weight,
              .bias = bias,
              .attrs = convAttrs(stride, padding, groups)},
             y);
}

Net& Net::relu() { return add({.op = Op::Relu}, shapeOf(current_)); }

Net& Net::sigmoid() { return add({.op = Op::Sigmoid}, shapeOf(current_)); }

Net& Net::maxPool(double kernel, double stride, double padding) {
  const Shape& x = shapeOf(current_);
  const auto k = static_cast<int64_t>(kernel);
  const Shape y{x[0], x[1], windows(x[2], k, stride, padding), windows(x[3], k, stride, padding)};
  return add({.op = Op::MaxPool2d, .attrs = poolAttrs(kernel, stride, padding)}, y);
}

Net& Net::avgPool(double kernel, double stride) {
  const Shape& x = shapeOf(current_);
  const auto k = static_cast<int64_t>(kernel);
  const Shape y{x[0], x[1], windows(x[2], k, stride, 0), windows(x[3], k, stride, 0)};
  return add({.op = Op::AvgPool2d, .attrs = poolAttrs(kernel, stride, 0)}, y);
}

Net& Net::adaptiveAvgPool(int64_t size) {
  const Shape& x = shapeOf(current_);
  return add({.op = Op::AdaptiveAvgPool2d}, {x[0], x[1], size, size});
}

int Net::step() {
  if (step_ < 0) step_ = value(ValueKind::Input, {}, "step", DType::I32);
  return step_;
}

Net& Net::dropout(double p) {
  Attrs attrs;
  attrs.set("p", {p});
  attrs.set("seed", {1234, 5678});
  attrs.set("stream", {static_cast<double>(layers_.size())});
  const int step = this->step();
  return add({.op = Op::Dropout, .extra = step, .attrs = attrs}, shapeOf(current_));
}

Net& Net::flatten() {
  const Shape& x = shapeOf(current_);
  return add({.op = Op::Reshape}, {x[0], elementCount(x) / x[0]});
}

Net& Net::linear(int64_t features) {
  const Shape x = shapeOf(current_);
  const std::string name = "linear" + std::to_string(layers_.size());
  const int weight = value(ValueKind::Parameter, {features, x[1]}, name + ".weight");
  const int bias = value(ValueKind::Parameter, {features}, name + ".bias");
  return add({.op = Op::Linear, .weight = weight, .bias = bias}, {x[0], features});
}

// The gradient by the layer's input, or -1 where nobody wants it; weights are updated.
int Net::gradientOf(const Layer& layer, int gy, bool wantsInput, Optimizer optimizer) {
  const bool isConv = layer.op == Op::Conv2d;
  if (layer.weight >= 0) {
    const int gw = intermediate(shapeOf(layer.weight)), gb = intermediate(shapeOf(layer.bias));
    node(isConv ? Op::Conv2dWeightGrad : Op::LinearWeightGrad, {layer.x, gy}, {gw, gb}, layer.attrs,
         Phase::Backward);
    update(layer.bias, gb, optimizer);
    if (!wantsInput) {
      update(layer.weight, gw, optimizer);
      return -1;
    }
    const int gx = intermediate(shapeOf(layer.x));
    node(isConv ? Op::Conv2dInputGrad : Op::LinearInputGrad, {gy, layer.weight}, {gx}, layer.attrs,
         Phase::Backward);
    update(layer.weight, gw, optimizer);
    return gx;
  }
  const int gx = intermediate(shapeOf(layer.x));
  const auto gradient = [&](Op op, std::vector<int> inputs) {
    node(op, std::move(inputs), {gx}, layer.attrs, Phase::Backward);
    return gx;
  };
  switch (layer.op) {
    case Op::Relu:
      return gradient(Op::ReluGrad, {gy, layer.y});
    case Op::Sigmoid:
      return gradient(Op::SigmoidGrad, {gy, layer.y});
    case Op::MaxPool2d:
      return gradient(Op::MaxPool2dGrad, {gy, layer.extra});
    case Op::AvgPool2d:
      return gradient(Op::AvgPool2dGrad, {gy});
    case Op::AdaptiveAvgPool2d:
      return gradient(Op::AdaptiveAvgPool2dGrad, {gy});
    case Op::Dropout:
      return gradient(Op::DropoutGrad, {gy, layer.extra});
    default:
      return gradient(Op::Reshape, {gy});
  }
}

void Net::update(int parameter, int gradient, Optimizer optimizer) {
  const Shape shape = shapeOf(parameter);
  const std::string name = graph.values[static_cast<size_t>(parameter)].name;
  if (optimizer == Optimizer::Adam) {
    const int m = value(ValueKind::State, shape, name + ".m");
    const int v = value(ValueKind::State, shape, name + ".v");
    node(Op::AdamStep, {parameter, gradient, m, v, step(), lr_}, {}, optimizerAttrs(optimizer),
         Phase::Optimizer);
  } else {
    const int buffer = value(ValueKind::State, shape, name + ".momentum");
    node(Op::SgdStep, {parameter, gradient, buffer, step(), lr_}, {}, optimizerAttrs(optimizer),
         Phase::Optimizer);
  }
}

Net& Net::train(Optimizer optimizer) {
  const int labels = value(ValueKind::Input, {batch_}, "labels", DType::I32);
  const int count = value(ValueKind::Input, {}, "count", DType::I32);
  lr_ = value(ValueKind::Input, {}, "lr", DType::F64);
  const int loss = intermediate({});
  const int correct = value(ValueKind::Intermediate, {}, "", DType::I32);
  int gradient = intermediate(shapeOf(current_));
  Attrs attrs;
  attrs.set("reduction", {0});
  attrs.set("ignoreIndex", {-100});
  attrs.set("labelSmoothing", {0});
  node(Op::SoftmaxCrossEntropy, {current_, labels, count}, {loss, correct, gradient}, attrs,
       Phase::Forward);
  for (size_t i = layers_.size(); i-- > 0;) {
    gradient = gradientOf(layers_[i], gradient, i > 0, optimizer);
  }
  graph.outputs = {{"loss", loss}, {"correct", correct}};
  return *this;
}

Net& Net::predict() {
  const int y = intermediate(shapeOf(current_));
  Attrs attrs;
  attrs.set("dim", {1});
  node(Op::Softmax, {current_}, {y}, attrs, Phase::Forward);
  graph.outputs = {{"probabilities", y}};
  return *this;
}

HostTensors Net::inputs(int step) const {
  HostTensors all;
  const auto seed = static_cast<uint32_t>(step);
  for (const ValueSpec& value : graph.values) {
    if (value.kind != ValueKind::Input) continue;
    if (value.name == "x") all["x"] = randomTensor(DType::U8, value.shape, 77 + seed);
    if (value.name == "labels") {
      const auto classes = static_cast<uint32_t>(shapeOf(layers_.back().y)[1]);
      all["labels"] = randomTensor(DType::I32, value.shape, 99 + seed, 1, classes);
    }
    if (value.name == "count") all["count"] = scalar(static_cast<int32_t>(batch_));
    if (value.name == "step") all["step"] = scalar(static_cast<int32_t>(step));
    if (value.name == "lr") all["lr"] = scalar(0.001);
  }
  return all;
}

void Net::initialize(Program& program) const {
  uint32_t seed = 1;
  for (const ValueSpec& value : graph.values) {
    if (!isPersistent(value)) continue;
    if (value.kind == ValueKind::State) {
      program.write(value.name, randomTensor(DType::F32, value.shape, 0, 0));
      continue;
    }
    const int64_t fanIn = elementCount(value.shape) / value.shape[0];
    const float scale =
        value.shape.size() == 1 ? 0.1f : std::sqrt(3.0f / static_cast<float>(fanIn));
    program.write(value.name, randomTensor(DType::F32, value.shape, seed++, scale));
  }
}

std::vector<std::string> Net::names() const {
  std::vector<std::string> all;
  for (const ValueSpec& value : graph.values) {
    if (isPersistent(value)) all.push_back(value.name);
  }
  return all;
}

Net smallLeNet(int64_t batch) {
  return Net(batch, 1, 20)
      .conv(6, 5, 1, 2)
      .sigmoid()
      .avgPool(2, 2)
      .conv(16, 5)
      .sigmoid()
      .maxPool(2, 2)
      .flatten()
      .linear(20)
      .relu()
      .linear(12)
      .relu()
      .linear(10);
}

Net smallAlexNet(int64_t batch) {
  return Net(batch, 1, 71)
      .conv(8, 11, 4, 1)
      .relu()
      .maxPool(3, 2)
      .conv(16, 5, 1, 2)
      .relu()
      .maxPool(3, 2)
      .conv(12, 3, 1, 1)
      .relu()
      .maxPool(2, 1)
      .flatten()
      .linear(24)
      .relu()
      .dropout(0.5)
      .linear(10);
}

}  // namespace neuronode::cuda::testing
