// One-node programs on the emulated GPU against the same programs on the CPU, with every operation,
// odd sizes and every precision.
#include "../graph_nets.h"
#include "backend_nets.h"

namespace neuronode::cuda::testing {
namespace {

struct Case {
  std::string name;
  Op op;
  std::vector<ValueSpec> inputs;
  std::vector<std::pair<DType, Shape>> outputs;
  Attrs attrs = {};
  uint32_t limit = 256;  // of random indices
  bool pooled = false;   // images come from pooling, which leaves them channels-last
};

// Inputs that are images go through pooling of single pixels first.
Case pooled(Case test) {
  test.name += ", channels-last";
  test.pooled = true;
  return test;
}

ValueSpec input(Shape shape, DType dtype = DType::F32) {
  return {ValueKind::Input, dtype, std::move(shape), ""};
}

ValueSpec parameter(Shape shape) {
  return {ValueKind::Parameter, DType::F32, std::move(shape), ""};
}

Attrs with(std::initializer_list<std::pair<const char*, std::vector<double>>> values) {
  Attrs attrs;
  for (const auto& [name, list] : values) attrs.set(name, list);
  return attrs;
}

Attrs conv(double stride, double padding, double groups = 1, double dilation = 1) {
  return with({{"stride", {stride, stride}},
               {"padding", {padding, padding}},
               {"dilation", {dilation, dilation}},
               {"groups", {groups}}});
}

Attrs pool(double kernel, double stride, double padding, double dilation = 1) {
  return with({{"kernelSize", {kernel, kernel}},
               {"stride", {stride, stride}},
               {"padding", {padding, padding}},
               {"dilation", {dilation, dilation}},
               {"countIncludePad", {0}}});
}

Attrs response(double size, double beta) {
  return with({{"size", {size}}, {"alpha", {0.5}}, {"beta", {beta}}, {"k", {1.5}}});
}

Attrs dropout(double p) { return with({{"p", {p}}, {"seed", {7, 9}}, {"stream", {3}}}); }

Attrs gemm(double a, double b) {
  return with({{"transposeA", {a}}, {"transposeB", {b}}, {"alpha", {0.5}}});
}

Attrs adam(double decay, double decoupled) {
  return with({{"beta1", {0.9}},
               {"beta2", {0.999}},
               {"eps", {1e-8}},
               {"weightDecay", {decay}},
               {"decoupled", {decoupled}}});
}

Attrs sgd(double momentum, double nesterov) {
  return with({{"momentum", {momentum}},
               {"dampening", {0}},
               {"weightDecay", {0.1}},
               {"nesterov", {nesterov}}});
}

Attrs rmsprop(double momentum) {
  return with({{"alpha", {0.9}},
               {"eps", {1e-8}},
               {"weightDecay", {0.1}},
               {"momentum", {momentum}},
               {"centered", {0}}});
}

Attrs padding(double mode, double value, std::vector<double> before, std::vector<double> after) {
  return with({{"before", std::move(before)},
               {"after", std::move(after)},
               {"mode", {mode}},
               {"value", {value}}});
}

// Operations that go by strides, each in plain order and channels-last.
std::vector<Case> strided() {
  const DType f32 = DType::F32;
  const Shape image{2, 5, 7, 6}, perChannel{1, 5, 1, 1}, perPixel{2, 1, 7, 6}, ones{1, 1, 1, 1};
  std::vector<Case> all;
  for (const Op op : {Op::Add, Op::Sub, Op::Mul}) {
    const std::string name = opName(op);
    all.push_back({name, op, {input(image), input(image)}, {{f32, image}}});
    all.push_back({name + " by channel", op, {input(image), input(perChannel)}, {{f32, image}}});
    all.push_back({name + " by pixel", op, {input(perPixel), input(image)}, {{f32, image}}});
    all.push_back({name + " of one", op, {input(image), input(ones)}, {{f32, image}}});
  }
  all.push_back({"outer product", Op::Mul, {input({5, 1}), input({1, 9})}, {{f32, {5, 9}}}});
  all.push_back({"expand by channel", Op::Expand, {input(perChannel)}, {{f32, image}}});
  all.push_back({"expand by pixel", Op::Expand, {input(perPixel)}, {{f32, image}}});
  for (const double axis : {0, 1, 2, 3}) {
    Shape joined = image;
    joined[static_cast<size_t>(axis)] *= 3;
    all.push_back({"concat along " + std::to_string(static_cast<int>(axis)),
                   Op::Concat,
                   {input(image), input(image), input(image)},
                   {{f32, joined}},
                   with({{"axis", {axis}}})});
  }
  all.push_back({"concat of packs",
                 Op::Concat,
                 {input({2, 8, 3, 3}), input({2, 16, 3, 3})},
                 {{f32, {2, 24, 3, 3}}},
                 with({{"axis", {1}}})});
  all.push_back({"slice",
                 Op::Slice,
                 {input(image)},
                 {{f32, {1, 3, 4, 5}}},
                 with({{"starts", {1, 2, 0, 1}}})});
  all.push_back({"pad",
                 Op::Pad,
                 {input(image)},
                 {{f32, {2, 6, 10, 9}}},
                 padding(0, 0.5, {0, 1, 2, 0}, {0, 0, 1, 3})});
  for (const double mode : {1, 2, 3}) {
    const Attrs attrs = padding(mode, 0, {0, 0, 4, 1}, {0, 0, 1, 5});
    const std::string name = "padding of mode " + std::to_string(static_cast<int>(mode));
    all.push_back({name, Op::Pad, {input(image)}, {{f32, {2, 5, 12, 12}}}, attrs});
    all.push_back(
        {name + "'s gradient", Op::PadGrad, {input({2, 5, 12, 12})}, {{f32, image}}, attrs});
  }
  for (const double dim : {0, 1, 2, 3}) {
    const Attrs attrs = with({{"dim", {dim}}});
    const std::string along = " along " + std::to_string(static_cast<int>(dim));
    all.push_back({"logSoftmax" + along, Op::LogSoftmax, {input(image)}, {{f32, image}}, attrs});
    all.push_back({"logSoftmax's gradient" + along,
                   Op::LogSoftmaxGrad,
                   {input(image), input(image)},
                   {{f32, image}},
                   attrs});
  }
  const std::pair<Shape, Shape> sums[] = {
      {image, ones},         {image, perChannel},
      {image, perPixel},     {image, {1, 5, 7, 1}},
      {{300, 70}, {300, 1}}, {{300, 70}, {1, 70}},
      {{33000}, {1}},        {{2, 40, 40, 40}, {1, 40, 1, 1}},
  };
  for (const auto& [x, y] : sums) {
    all.push_back({"sum of " + shapeString(x) + " to " + shapeString(y),
                   Op::Sum,
                   {input(x)},
                   {{f32, y}},
                   with({{"mean", {1}}})});
  }
  const size_t count = all.size();
  for (size_t i = 0; i < count; ++i) all.push_back(pooled(all[i]));
  all.push_back({"fill", Op::Fill, {}, {{f32, image}}, with({{"value", {0.25}}})});
  all.push_back({"div", Op::Div, {input(image), parameter({2, 5, 7, 6})}, {{f32, image}}});
  return all;
}

std::vector<Case> cases() {
  const DType f32 = DType::F32, i32 = DType::I32, u8 = DType::U8, f64 = DType::F64;
  const Shape image{2, 5, 7, 6}, pooled{2, 5, 4, 3}, none{};
  const Shape first{2, 1, 31, 31}, filter{6, 1, 11, 11}, firstOut{2, 6, 6, 6};
  return {
      {"toFloat",
       Op::ToFloat,
       {input({2, 3, 5, 7}, u8)},
       {{f32, {2, 3, 5, 7}}},
       with({{"mean", {0.1, 0.2, 0.3}}, {"std", {0.4, 0.5, 0.6}}})},
      {"conv",
       Op::Conv2d,
       {input(image), parameter({4, 5, 3, 3}), parameter({4})},
       {{f32, {2, 4, 7, 6}}},
       conv(1, 1)},
      {"conv of groups",
       Op::Conv2d,
       {input({2, 6, 7, 6}), parameter({4, 3, 3, 3})},
       {{f32, {2, 4, 4, 3}}},
       conv(2, 1, 2)},
      {"dilated conv",
       Op::Conv2d,
       {input(image), parameter({4, 5, 3, 3}), parameter({4})},
       {{f32, {2, 4, 5, 4}}},
       conv(1, 1, 1, 2)},
      {"first conv",
       Op::Conv2d,
       {input(first), parameter(filter), parameter({6})},
       {{f32, firstOut}},
       conv(4, 1)},
      {"first conv's weight gradient",
       Op::Conv2dWeightGrad,
       {input(first), input(firstOut)},
       {{f32, filter}, {f32, {6}}},
       conv(4, 1)},
      {"conv's input gradient",
       Op::Conv2dInputGrad,
       {input({2, 4, 7, 6}), parameter({4, 5, 3, 3})},
       {{f32, image}},
       conv(1, 1)},
      {"conv's weight gradient",
       Op::Conv2dWeightGrad,
       {input(image), input({2, 4, 7, 6})},
       {{f32, {4, 5, 3, 3}}, {f32, {4}}},
       conv(1, 1)},
      {"linear", Op::Linear, {input({3, 10}), parameter({7, 10}), parameter({7})}, {{f32, {3, 7}}}},
      {"linear without bias", Op::Linear, {input({3, 10}), parameter({8, 10})}, {{f32, {3, 8}}}},
      {"linear's input gradient",
       Op::LinearInputGrad,
       {input({3, 7}), parameter({7, 10})},
       {{f32, {3, 10}}}},
      {"linear's weight gradient",
       Op::LinearWeightGrad,
       {input({9, 10}), input({9, 7})},
       {{f32, {7, 10}}, {f32, {7}}}},
      {"gemm", Op::Gemm, {input({3, 5}), input({5, 4})}, {{f32, {3, 4}}}, gemm(0, 0)},
      {"gemm, both transposed",
       Op::Gemm,
       {input({5, 3}), input({4, 5})},
       {{f32, {3, 4}}},
       gemm(1, 1)},
      {"maxPool", Op::MaxPool2d, {input(image)}, {{f32, pooled}, {u8, pooled}}, pool(3, 2, 1)},
      {"maxPool without indices",
       Op::MaxPool2d,
       {input(image)},
       {{f32, {2, 5, 3, 2}}},
       pool(3, 2, 0)},
      {"maxPool's gradient",
       Op::MaxPool2dGrad,
       {input(pooled), input(pooled, u8)},
       {{f32, image}},
       pool(3, 2, 1),
       9},
      {"maxPool, large window",
       Op::MaxPool2d,
       {input({1, 2, 20, 20})},
       {{f32, {1, 2, 2, 2}}, {i32, {1, 2, 2, 2}}},
       pool(17, 3, 0)},
      {"avgPool", Op::AvgPool2d, {input(image)}, {{f32, pooled}}, pool(3, 2, 1)},
      {"avgPool's gradient", Op::AvgPool2dGrad, {input(pooled)}, {{f32, image}}, pool(3, 2, 1)},
      {"adaptiveAvgPool", Op::AdaptiveAvgPool2d, {input(image)}, {{f32, {2, 5, 3, 4}}}},
      {"adaptiveAvgPool's gradient",
       Op::AdaptiveAvgPool2dGrad,
       {input({2, 5, 3, 4})},
       {{f32, image}}},
      {"relu", Op::Relu, {input(image)}, {{f32, image}}},
      {"relu's gradient", Op::ReluGrad, {input(image), input(image)}, {{f32, image}}},
      {"sigmoid", Op::Sigmoid, {input(image)}, {{f32, image}}},
      {"sigmoid's gradient", Op::SigmoidGrad, {input(image), input(image)}, {{f32, image}}},
      {"dropout", Op::Dropout, {input(image), input(none, i32)}, {{f32, image}}, dropout(0.4)},
      {"dropout's gradient",
       Op::DropoutGrad,
       {input(image), input(none, i32)},
       {{f32, image}},
       dropout(0.4)},
      {"reshape", Op::Reshape, {input(image)}, {{f32, {2, 210}}}},
      {"add", Op::Add, {input(image), input(image)}, {{f32, image}}},
      {"localResponseNorm",
       Op::LocalResponseNorm,
       {input(image)},
       {{f32, image}},
       response(3, 0.75)},
      {"localResponseNorm of a sequence",
       Op::LocalResponseNorm,
       {input({2, 9, 11})},
       {{f32, {2, 9, 11}}},
       response(4, 0.6)},
      {"localResponseNorm's gradient",
       Op::LocalResponseNormGrad,
       {input(image), input(image)},
       {{f32, image}},
       response(4, 0.75)},
      {"localResponseNorm's gradient of a sequence",
       Op::LocalResponseNormGrad,
       {input({2, 9, 11}), input({2, 9, 11})},
       {{f32, {2, 9, 11}}},
       response(3, 0.6)},
      {"softmaxCrossEntropy",
       Op::SoftmaxCrossEntropy,
       {input({6, 11}), input({6}, i32), input(none, i32)},
       {{f32, none}, {i32, none}, {f32, {6, 11}}},
       with({{"reduction", {0}}, {"ignoreIndex", {-100}}, {"labelSmoothing", {0}}}),
       5},
      {"softmaxCrossEntropy, summed",
       Op::SoftmaxCrossEntropy,
       {input({6, 11}), input({6}, i32), input(none, i32)},
       {{f32, none}, {i32, none}},
       with({{"reduction", {1}}, {"ignoreIndex", {-100}}, {"labelSmoothing", {0}}}),
       5},
      {"softmaxCrossEntropy of probabilities, weighted",
       Op::SoftmaxCrossEntropy,
       {input({6, 11}), input({6, 11}), input(none, i32), parameter({11})},
       {{f32, {6}}, {i32, none}, {f32, {6, 11}}},
       with({{"reduction", {2}}, {"ignoreIndex", {-100}}, {"labelSmoothing", {0.1}}})},
      {"nllLoss",
       Op::NllLoss,
       {input({6, 11}), input({6}, i32), input(none, i32)},
       {{f32, none}, {i32, none}, {f32, {6, 11}}},
       with({{"reduction", {0}}, {"ignoreIndex", {2}}}),
       5},
      {"mseLoss",
       Op::MseLoss,
       {input({6, 3, 2, 5}), input({6, 3, 2, 5}), input(none, i32)},
       {{f32, none}, {f32, {6, 3, 2, 5}}},
       with({{"reduction", {0}}})},
      {"l1Loss",
       Op::L1Loss,
       {input({6, 11}), input({6, 11}), input(none, i32)},
       {{f32, none}},
       with({{"reduction", {1}}})},
      {"smoothL1Loss",
       Op::SmoothL1Loss,
       {input({6, 11}), input({6, 11}), input(none, i32)},
       {{f32, {6, 11}}, {f32, {6, 11}}},
       with({{"reduction", {2}}, {"beta", {0.5}}})},
      {"binaryCrossEntropyWithLogits",
       Op::BinaryCrossEntropyWithLogits,
       {input({6, 3, 2, 5}), input({6, 3, 2, 5}), input(none, i32), parameter({1}),
        parameter({3, 1, 1})},
       {{f32, none}, {f32, {6, 3, 2, 5}}},
       with({{"reduction", {0}}})},
      {"groupNorm",
       Op::GroupNorm,
       {input({3, 20, 6, 5}), parameter({20}), parameter({20})},
       {{f32, {3, 20, 6, 5}}, {f32, {3, 4}}, {f32, {3, 4}}},
       with({{"groups", {4}}, {"eps", {0.01}}})},
      {"groupNorm of rows",
       Op::GroupNorm,
       {input({70, 33})},
       {{f32, {70, 33}}, {f32, {70, 1}}, {f32, {70, 1}}},
       with({{"groups", {1}}, {"eps", {0.01}}})},
      {"groupNorm's gradient",
       Op::GroupNormGrad,
       {input({3, 40, 6, 5}), input({3, 40, 6, 5}), input({3, 8}), input({3, 8}), parameter({40})},
       {{f32, {3, 40, 6, 5}}, {f32, {40}}, {f32, {40}}},
       with({{"groups", {8}}, {"eps", {0.01}}})},
      {"groupNorm's gradient of rows",
       Op::GroupNormGrad,
       {input({200, 33}), input({200, 33}), input({200, 1}), input({200, 1})},
       {{f32, {200, 33}}},
       with({{"groups", {1}}, {"eps", {0.01}}})},
      {"interpolate",
       Op::Interpolate,
       {input({2, 5, 6, 7})},
       {{f32, {2, 5, 9, 15}}},
       with({{"bilinear", {1}}, {"alignCorners", {0}}, {"scales", {0, 0}}})},
      {"interpolate's gradient",
       Op::InterpolateGrad,
       {input({2, 5, 12, 14})},
       {{f32, {2, 5, 6, 7}}},
       with({{"bilinear", {0}}, {"alignCorners", {0}}, {"scales", {2, 2}}})},
      {"softmax", Op::Softmax, {input({6, 11})}, {{f32, {6, 11}}}, with({{"dim", {1}}})},
      {"softmax's gradient",
       Op::SoftmaxGrad,
       {input({6, 11}), input({6, 11})},
       {{f32, {6, 11}}},
       with({{"dim", {1}}})},
      {"adam",
       Op::AdamStep,
       {parameter({5, 7}), input({5, 7}), parameter({5, 7}), parameter({5, 7}), input(none, i32),
        input(none, f64)},
       {},
       adam(0.1, 0)},
      {"adamw",
       Op::AdamStep,
       {parameter({5, 7}), input({5, 7}), parameter({5, 7}), parameter({5, 7}), input(none, i32),
        input(none, f64)},
       {},
       adam(0.1, 1)},
      {"sgd",
       Op::SgdStep,
       {parameter({5, 7}), input({5, 7}), input(none, i32), input(none, f64)},
       {},
       sgd(0, 0)},
      {"sgd with momentum",
       Op::SgdStep,
       {parameter({5, 7}), input({5, 7}), parameter({5, 7}), input(none, i32), input(none, f64)},
       {},
       sgd(0.9, 1)},
      {"rmsprop",
       Op::RmspropStep,
       {parameter({5, 7}), input({5, 7}), parameter({5, 7}), input(none, i32), input(none, f64)},
       {},
       rmsprop(0)},
      {"rmsprop with momentum",
       Op::RmspropStep,
       {parameter({5, 7}), input({5, 7}), parameter({5, 7}), parameter({5, 7}), input(none, i32),
        input(none, f64)},
       {},
       rmsprop(0.9)},
  };
}

GraphSpec graphOf(const Case& test) {
  GraphSpec graph;
  NodeSpec node{test.op, {}, {}, test.attrs, "layer", Phase::Forward};
  for (const ValueSpec& value : test.inputs) {
    int index = static_cast<int>(graph.values.size());
    graph.values.push_back(value);
    graph.values.back().name = "in" + std::to_string(graph.values.size());
    if (test.pooled && value.shape.size() == 4) {
      graph.values.push_back({ValueKind::Intermediate, value.dtype, value.shape, ""});
      NodeSpec pooling{Op::AvgPool2d, {index}, {index + 1}, pool(1, 1, 0), "pool", Phase::Forward};
      graph.nodes.push_back(std::move(pooling));
      ++index;
    }
    node.inputs.push_back(index);
  }
  for (const auto& [dtype, shape] : test.outputs) {
    const int value = static_cast<int>(graph.values.size());
    node.outputs.push_back(value);
    graph.values.push_back({ValueKind::Intermediate, dtype, shape, ""});
    graph.outputs.push_back({"out" + std::to_string(value), value});
  }
  graph.nodes.push_back(node);
  return graph;
}

// What the program of `test` writes, parameters included, after one run.
HostTensors run(const Case& test, Backend& backend, const KernelOptions& options) {
  const GraphSpec graph = graphOf(test);
  const std::unique_ptr<Program> program = compile(graph, backend, options);
  HostTensors inputs;
  uint32_t seed = 1;
  for (const ValueSpec& value : graph.values) {
    if (value.kind == ValueKind::Intermediate) continue;
    ++seed;
    if (isPersistent(value)) {
      // Running means of squares are never negative.
      HostTensor initial = randomTensor(DType::F32, value.shape, seed);
      std::vector<float> values = valuesOf<float>(initial);
      if (test.op == Op::AdamStep || test.op == Op::RmspropStep) {
        for (float& v : values) v = std::abs(v);
      }
      program->write(value.name, tensor(DType::F32, value.shape, values));
    } else if (value.dtype == DType::F64) {
      inputs[value.name] = scalar(0.01);
    } else if (value.shape.empty()) {
      inputs[value.name] = scalar(int32_t{4});
    } else {
      inputs[value.name] = randomTensor(value.dtype, value.shape, seed, 1, test.limit);
    }
  }
  HostTensors results = program->run(inputs, kNotCancelled);
  for (const ValueSpec& value : graph.values) {
    if (isPersistent(value)) results[value.name] = program->read(value.name);
  }
  return results;
}

void expectAgreement(const KernelOptions& options, double tolerance,
                     const std::vector<Case>& tests = cases()) {
  Gpu gpu;
  for (const Case& test : tests) {
    SCOPED_TRACE(test.name);
    const HostTensors expected = run(test, cpu(), {});
    const HostTensors actual = run(test, gpu.backend(), options);
    for (const auto& [name, value] : expected) {
      ASSERT_TRUE(actual.contains(name));
      if (value.dtype == DType::F32) {
        EXPECT_LE(difference(actual.at(name), value), tolerance) << name;
      } else if (options.precision != Precision::BF16) {
        EXPECT_EQ(actual.at(name).bytes, value.bytes) << name;
      }
    }
  }
}

TEST(BackendOps, AgreeWithTheCpuInF32) { expectAgreement({}, 1e-5); }

TEST(BackendOps, AgreeWithTheCpuInTf32) { expectAgreement({.precision = Precision::TF32}, 2e-3); }

TEST(BackendOps, AgreeWithTheCpuInBf16) { expectAgreement({.precision = Precision::BF16}, 2e-2); }

TEST(BackendOps, ThatGoByStridesAgreeWithTheCpu) {
  expectAgreement({}, 1e-5, strided());
  expectAgreement({.precision = Precision::BF16}, 2e-2, strided());
}

TEST(BackendOps, AgreeWithTheCpuWithTheLibrarysPooling) {
  expectAgreement({.pooling = PoolingKernel::Library}, 1e-5);
}

// What is fused into batch normalisation and additions, as on the CPU.
TEST(BackendOps, FusesIntoBatchNormalisation) {
  Gpu gpu;
  for (const Op relu : {Op::Relu, Op::Relu6}) {
    const test::ResidualNet net(relu);
    HostTensors inputs;
    uint32_t seed = 1;
    for (const ValueSpec& value : net.graph.values) {
      if (value.kind != ValueKind::Input) continue;
      inputs[value.name] = value.dtype == DType::I32
                               ? scalar(int32_t{3})
                               : randomTensor(value.dtype, value.shape, seed++, 8);
    }
    const auto run = [&](Backend& backend, const KernelOptions& options) {
      const auto program = compile(net.graph, backend, options);
      for (const char* name : {"weight", "bias"}) {
        program->write(name, randomTensor(DType::F32, {5}, 77, 1));
      }
      std::vector<std::string> kernels;
      for (const PlanStep& step : program->plan().steps) {
        if (step.op != "reorder") kernels.push_back(step.kernel);
      }
      return std::pair{program->run(inputs, kNotCancelled), kernels};
    };
    const auto [wanted, cpuKernels] = run(cpu(), {});
    for (const Precision precision : {Precision::F32, Precision::BF16}) {
      const auto [got, kernels] = run(gpu.backend(), {.precision = precision});
      EXPECT_EQ(kernels, cpuKernels);
      for (const auto& [name, tensor] : wanted) {
        SCOPED_TRACE(name);
        const auto values = valuesOf<float>(got.at(name)), want = valuesOf<float>(tensor);
        // Rounding to bf16 may turn a sign, and with it what a mask lets pass.
        size_t far = 0;
        const bool isWide = precision == Precision::F32;
        for (size_t i = 0; i < want.size(); ++i) {
          const float bound = isWide ? 1e-4f : 0.03f;
          if (!(std::abs(values[i] - want[i]) <= bound * (1 + std::abs(want[i])))) ++far;
        }
        EXPECT_LE(far, isWide ? 0 : want.size() / 5);
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda::testing
