// Batch normalisation folded into the convolution before it: the values, what is left as it was,
// and that no run uses parameters that have changed since.
#include "graph/fold.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "cpu/cpu_backend.h"
#include "graph_nets.h"
#include "kernel_test.h"

namespace neuronode::test {
namespace {

using testing::randomFloats;

// conv [+ bias] -> batchNormInference [weight, [bias]] -> + x -> ReLU.
struct NormalisedNet {
  GraphSpec graph;
  int x, w, convBias = -1, mean, variance, weight = -1, bias = -1, conv, normalised, sum, y;

  NormalisedNet(bool hasConvBias, int affine) {
    const Shape image{2, 6, 5, 7};
    x = add(graph, ValueKind::Input, image, "x");
    w = add(graph, ValueKind::Parameter, {6, 6, 3, 3}, "w");
    const auto channels = [&](const char* name) {
      return add(graph, ValueKind::Parameter, {6}, name);
    };
    if (hasConvBias) convBias = channels("convBias");
    mean = channels("mean");
    variance = channels("variance");
    if (affine > 0) weight = channels("weight");
    if (affine > 1) bias = channels("bias");
    for (int* value : {&conv, &normalised, &sum, &y}) *value = intermediate(graph, image);
    std::vector<int> filters{x, w}, inputs{conv, mean, variance};
    if (hasConvBias) filters.push_back(convBias);
    for (const int value : {weight, bias}) {
      if (value >= 0) inputs.push_back(value);
    }
    Attrs eps;
    eps.set("eps", {1e-3});
    addNode(graph, Op::Conv2d, filters, {conv}, convAttrs());
    addNode(graph, Op::BatchNormInference, inputs, {normalised}, eps);
    addNode(graph, Op::Add, {normalised, x}, {sum});
    addNode(graph, Op::Relu, {sum}, {y});
    graph.outputs = {{"y", y}};
  }

  // The same where the convolution's output is read, so that nothing is folded.
  GraphSpec apart() const {
    GraphSpec all = graph;
    all.outputs.push_back({"conv", conv});
    return all;
  }
};

HostTensor random(const Shape& shape, float low, float high, uint32_t seed) {
  const std::vector<float> values = randomFloats(elementCount(shape), low, high, seed);
  HostTensor tensor{DType::F32, shape, std::vector<std::byte>(values.size() * sizeof(float))};
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

class Fold : public ::testing::Test {
 protected:
  std::unique_ptr<Program> compile(const GraphSpec& graph, const Program* share = nullptr) {
    return Program::compile(graph, backend_, {.algorithm = ConvAlgorithm::Direct}, share, cancel_);
  }
  static void write(Program& program, const ValueSpec& value, uint32_t seed) {
    program.write(value.name,
                  random(value.shape, value.name == "variance" ? 0.2f : -1, 1.5f, seed));
  }
  std::vector<float> run(Program& program) {
    return floatsOf(program.run({{"x", random({2, 6, 5, 7}, -2, 2, 50)}}, cancel_).at("y"));
  }
  static std::vector<std::string> kernels(const Program& program) {
    std::vector<std::string> names;
    for (const PlanStep& step : program.plan().steps) names.push_back(step.op);
    return names;
  }
  static void expectNear(const std::vector<float>& got, const std::vector<float>& wanted) {
    ASSERT_EQ(got.size(), wanted.size());
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], 2e-5f) << i;
  }

  CpuBackend backend_;
  const std::atomic<bool> cancel_ = false;
};

TEST_F(Fold, EveryWriteIsSeenByTheNextRun) {
  for (const bool hasConvBias : {false, true}) {
    for (const int affine : {0, 1, 2}) {
      const NormalisedNet net(hasConvBias, affine);
      const auto folded = compile(net.graph), apart = compile(net.apart());
      EXPECT_EQ(std::ranges::count(kernels(*folded), "batchNormInference"), 0);
      EXPECT_EQ(std::ranges::count(kernels(*folded), "mul"), 0) << "a constant in every run";
      EXPECT_EQ(std::ranges::count(kernels(*apart), "batchNormInference"), 1);
      const auto second = compile(net.graph, folded.get());
      uint32_t seed = 1;
      for (const ValueSpec& value : net.graph.values) {
        if (!isPersistent(value)) continue;
        write(*folded, value, seed);
        write(*apart, value, seed++);
      }
      std::vector<float> before = run(*apart);
      expectNear(run(*folded), before);
      expectNear(run(*second), before);
      for (const ValueSpec& value : net.graph.values) {
        if (!isPersistent(value)) continue;
        SCOPED_TRACE(value.name);
        // Through the program that shares them, too.
        write(seed % 2 == 0 ? *folded : *second, value, seed);
        write(*apart, value, seed++);
        const std::vector<float> wanted = run(*apart);
        EXPECT_NE(wanted, before);
        for (int i = 0; i < 2; ++i) {
          expectNear(run(*folded), wanted);
          expectNear(run(*second), wanted);
        }
        before = wanted;
      }
    }
  }
}

TEST_F(Fold, AStepOfAProgramThatSharesTheParametersIsSeen) {
  const NormalisedNet net(true, 2);
  const auto folded = compile(net.graph), apart = compile(net.apart());
  uint32_t seed = 1;
  for (const ValueSpec& value : net.graph.values) {
    if (!isPersistent(value)) continue;
    write(*folded, value, seed);
    write(*apart, value, seed++);
  }
  const std::vector<float> before = run(*folded);
  for (const ValueSpec& value : net.graph.values) {
    if (!isPersistent(value)) continue;
    SCOPED_TRACE(value.name);
    GraphSpec graph;
    const int p = add(graph, ValueKind::Parameter, value.shape, value.name);
    const int g = add(graph, ValueKind::Input, value.shape, "g");
    const int step = add(graph, ValueKind::Input, {}, "step", DType::I32);
    const int lr = add(graph, ValueKind::Input, {}, "lr", DType::F64);
    Attrs attrs;
    for (const char* name : {"dampening", "nesterov", "weightDecay", "momentum"}) {
      attrs.set(name, {0});
    }
    addNode(graph, Op::SgdStep, {p, g, step, lr}, {}, attrs);
    const HostTensors inputs{{"g", random(value.shape, -1, -0.5f, seed++)},
                             {"step", {DType::I32, {}, bytesOf(int32_t{1})}},
                             {"lr", {DType::F64, {}, bytesOf(0.25)}}};
    for (Program* program : {folded.get(), apart.get()}) {
      compile(graph, program)->run(inputs, cancel_);
    }
    expectNear(run(*folded), run(*apart));
  }
  EXPECT_NE(run(*folded), before);
}

TEST_F(Fold, LeavesAloneWhatItsConditionsDoNotHoldFor) {
  const auto isFolded = [](auto change) {
    NormalisedNet net(true, 2);
    change(net);
    checkGraph(net.graph);
    const GraphSpec folded = foldBatchNorm(net.graph);
    return std::ranges::none_of(
        folded.nodes, [](const NodeSpec& node) { return node.op == Op::BatchNormInference; });
  };
  EXPECT_TRUE(isFolded([](NormalisedNet&) {}));
  EXPECT_FALSE(isFolded([](NormalisedNet& net) { net.graph = net.apart(); }));
  for (const auto value :
       {&NormalisedNet::w, &NormalisedNet::convBias, &NormalisedNet::mean, &NormalisedNet::variance,
        &NormalisedNet::weight, &NormalisedNet::bias}) {
    EXPECT_FALSE(isFolded(
        [&](NormalisedNet& net) { net.graph.values[net.*value].kind = ValueKind::Input; }));
  }
  EXPECT_FALSE(isFolded([](NormalisedNet& net) {
    const int count = add(net.graph, ValueKind::Input, {}, "count", DType::I32);
    Attrs attrs;
    attrs.set("momentum", {0.1});
    attrs.set("cumulative", {0});
    attrs.set("pixels", {35});
    addNode(net.graph, Op::BatchNormUpdate, {net.weight, net.bias, count, net.mean, net.variance},
            {}, attrs);
  }));
}

}  // namespace
}  // namespace neuronode::test
