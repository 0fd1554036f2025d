// What is wrong with a run's inputs is told before the run starts: the same on every device.
#include "backend_nets.h"

namespace neuronode::cuda::testing {
namespace {

void expectRefused(Program& program, HostTensors inputs, const std::string& name, HostTensor value,
                   const std::string& text) {
  inputs[name] = std::move(value);
  try {
    program.run(inputs, kNotCancelled);
    ADD_FAILURE() << "accepted: " << text;
  } catch (const Error& error) {
    EXPECT_STREQ(error.code(), errc::kArgument);
    EXPECT_EQ(std::string(error.what()), text);
  }
}

void checkRefusals(Backend& backend) {
  const Net net = smallLeNet(3).train();
  const std::unique_ptr<Program> program = compile(net.graph, backend);
  net.initialize(*program);
  HostTensors inputs = net.inputs(1);
  const auto labels = [](int32_t last) {
    return tensor(DType::I32, {3}, std::vector<int32_t>{0, 9, last});
  };
  expectRefused(*program, inputs, "labels", labels(10), "label 10 in row 2 is outside 0 to 9");
  expectRefused(*program, inputs, "labels", labels(-1), "label -1 in row 2 is outside 0 to 9");
  expectRefused(*program, inputs, "count", scalar(4), "count must be between 0 and 3, got 4");
  expectRefused(*program, inputs, "count", scalar(-1), "count must be between 0 and 3, got -1");
  expectRefused(*program, inputs, "step", scalar(0), "step must be at least 1, got 0");
  // A row that does not count may hold anything.
  inputs["labels"] = labels(-7);
  inputs["count"] = scalar(2);
  const HostTensors outputs = program->run(inputs, kNotCancelled);
  EXPECT_TRUE(std::isfinite(valuesOf<float>(outputs.at("loss"))[0]));
}

TEST(BackendInputs, AreCheckedOnTheCpu) { checkRefusals(cpu()); }

TEST(BackendInputs, AreCheckedOnTheGpu) {
  Gpu gpu;
  checkRefusals(gpu.backend());
}

}  // namespace
}  // namespace neuronode::cuda::testing
