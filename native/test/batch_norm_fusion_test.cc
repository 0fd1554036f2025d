// Programs with and without what is fused into batch normalisation and additions: the same bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "cpu/cpu_backend.h"
#include "graph_nets.h"
#include "kernel_test.h"

namespace neuronode::test {
namespace {

using testing::randomFloats;

HostTensor random(const Shape& shape, uint32_t seed) {
  const std::vector<float> values = randomFloats(elementCount(shape), -8, 8, seed);
  HostTensor tensor{DType::F32, shape, std::vector<std::byte>(values.size() * sizeof(float))};
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

struct Result {
  HostTensors outputs;
  std::vector<std::string> kernels;
};

Result run(const GraphSpec& graph, int32_t count) {
  static CpuBackend backend;
  const std::atomic<bool> cancel = false;
  const auto program = Program::compile(graph, backend, {}, nullptr, cancel);
  uint32_t seed = 1;
  HostTensors inputs;
  for (const ValueSpec& value : graph.values) {
    if (isPersistent(value)) program->write(value.name, random(value.shape, seed++));
    if (value.kind != ValueKind::Input) continue;
    inputs[value.name] = value.dtype == DType::I32 ? HostTensor{DType::I32, {}, bytesOf(count)}
                                                   : random(value.shape, seed++);
  }
  Result result{program->run(inputs, cancel), {}};
  for (const PlanStep& step : program->plan().steps) result.kernels.push_back(step.kernel);
  return result;
}

TEST(BatchNormFusion, ChangesNoBitOfTheRealRows) {
  for (const Op relu : {Op::Relu, Op::Relu6}) {
    const ResidualNet net(relu);
    for (const int32_t count : {3, 2}) {
      const Result fused = run(net.graph, count), apart = run(net.unfused(), count);
      EXPECT_EQ(apart.kernels.size(), net.graph.nodes.size());
      const std::string end = relu == Op::Relu ? "relu" : "relu6";
      EXPECT_EQ(fused.kernels, (std::vector<std::string>{
                                   "batchNorm+add+" + end, "add+" + end + "Grad", "batchNormGrad",
                                   "add+" + end, "batchNormGrad+" + end + "Grad"}));
      for (const auto& [name, tensor] : fused.outputs) {
        SCOPED_TRACE(name);
        auto got = floatsOf(tensor), wanted = floatsOf(apart.outputs.at(name));
        if (tensor.shape.size() == 4) {
          const size_t real = got.size() / 3 * static_cast<size_t>(count);
          got.resize(real);
          wanted.resize(real);
        }
        EXPECT_EQ(got, wanted);
        EXPECT_GT(std::ranges::count_if(got, [](float v) { return v > 0; }), 0);
      }
    }
  }
}

TEST(BatchNormFusion, ComputesTheMaskAnewToTheSameBits) {
  for (const Op relu : {Op::Relu, Op::Relu6}) {
    for (const bool hasBias : {true, false}) {
      const RectifiedNet net(relu, hasBias);
      const Result fused = run(net.graph, 2), apart = run(net.unfused(), 2);
      const std::string end = relu == Op::Relu ? "relu" : "relu6";
      EXPECT_EQ(fused.kernels,
                (std::vector<std::string>{"batchNorm+" + end, "batchNormGrad+" + end + "Grad"}));
      EXPECT_EQ(apart.kernels.size(), 4u);
      for (const auto& [name, tensor] : fused.outputs) {
        SCOPED_TRACE(name);
        EXPECT_EQ(floatsOf(tensor), floatsOf(apart.outputs.at(name)));
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::test
