#include "cases.h"

#include <cudnn_frontend/thirdparty/nlohmann/json.hpp>
#include <fstream>
#include <stdexcept>

namespace neuronode::cuda::planning {

namespace {

using Json = nlohmann::ordered_json;

struct Layer {
  std::string name;
  Shape x, w;
  std::vector<double> stride{1, 1}, padding{0, 0}, dilation{1, 1};
  double groups = 1;
  bool bias = true;
};

int64_t outputExtent(int64_t in, int64_t kernel, double padding, double dilation, double stride) {
  const auto p = static_cast<int64_t>(padding), d = static_cast<int64_t>(dilation);
  return (in + 2 * p - d * (kernel - 1) - 1) / static_cast<int64_t>(stride) + 1;
}

void addCases(std::vector<Case>& cases, const Layer& layer) {
  const Shape y{
      layer.x[0], layer.w[0],
      outputExtent(layer.x[2], layer.w[2], layer.padding[0], layer.dilation[0], layer.stride[0]),
      outputExtent(layer.x[3], layer.w[3], layer.padding[1], layer.dilation[1], layer.stride[1])};
  NodeSpec spec;
  spec.attrs.set("stride", layer.stride);
  spec.attrs.set("padding", layer.padding);
  spec.attrs.set("dilation", layer.dilation);
  spec.attrs.set("groups", {layer.groups});
  const TensorDesc xDesc{DType::F32, layer.x}, wDesc{DType::F32, layer.w}, yDesc{DType::F32, y};
  struct Kind {
    Op op;
    const char* name;
    std::vector<TensorDesc> inputs, outputs;
  };
  const std::vector<Kind> kinds{
      {Op::Conv2d, "forward", {xDesc, wDesc}, {yDesc}},
      {Op::Conv2dInputGrad, "inputGrad", {yDesc, wDesc}, {xDesc}},
      {Op::Conv2dWeightGrad, "weightGrad", {xDesc, yDesc}, {wDesc}},
  };
  for (const Kind& kind : kinds) {
    spec.op = kind.op;
    const ConvProblem geometry = convGeometry(spec, kind.inputs, kind.outputs).problem;
    const bool forward = kind.op == Op::Conv2d;
    for (auto [precision, name] :
         {std::pair{Precision::F32, "f32"}, {Precision::TF32, "tf32"}, {Precision::BF16, "bf16"}}) {
      const std::string full = layer.name + " " + kind.name + " " + name;
      cases.push_back({full, geometry, precision, forward && layer.bias, false});
      if (forward) cases.push_back({full + " relu", geometry, precision, layer.bias, true});
    }
  }
}

Shape scaled(Shape shape, int64_t batch) {
  shape[0] = batch;
  return shape;
}

}  // namespace

std::vector<Case> planningCases(const std::string& table) {
  std::ifstream file(table);
  if (!file) throw std::runtime_error("cannot read " + table);
  const Json conv = Json::parse(file).at("conv2d");
  const Json& defaults = conv.at("defaults");
  std::vector<Case> cases;
  for (const auto& [name, row] : conv.at("cases").items()) {
    const auto value = [&](const char* key) {
      return row.contains(key) ? row.at(key) : defaults.at(key);
    };
    Layer layer{"table " + name, row.at("x").get<Shape>(), row.at("w").get<Shape>()};
    layer.stride = value("stride").get<std::vector<double>>();
    layer.padding = value("padding").get<std::vector<double>>();
    layer.dilation = value("dilation").get<std::vector<double>>();
    layer.groups = value("groups").get<double>();
    layer.bias = value("bias").get<bool>();
    addCases(cases, layer);
    // The models' layers are in the table with a small batch.
    const bool alexnet = name.starts_with("alexnet."), lenet = name.starts_with("lenet.");
    if (!alexnet && !lenet) continue;
    layer.name = name;
    layer.x = scaled(layer.x, alexnet ? 128 : 256);
    addCases(cases, layer);
  }
  return cases;
}

}  // namespace neuronode::cuda::planning
