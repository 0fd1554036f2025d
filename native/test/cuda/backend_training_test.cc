// Training steps on the emulated GPU: against the CPU, recorded against called one by one, two
// under way at once, and with parameters written and read in every layout.
#include "backend_nets.h"

namespace neuronode::cuda::testing {
namespace {

struct Trained {
  std::vector<float> losses;
  HostTensors parameters;
};

Trained readBack(const Net& net, Program& program, std::vector<float> losses) {
  Trained result{std::move(losses), {}};
  for (const std::string& name : net.names()) result.parameters[name] = program.read(name);
  return result;
}

Trained train(const Net& net, Backend& backend, const KernelOptions& options, int steps) {
  const std::unique_ptr<Program> program = compile(net.graph, backend, options);
  net.initialize(*program);
  std::vector<float> losses;
  for (int step = 1; step <= steps; ++step) {
    const HostTensors outputs = program->run(net.inputs(step), kNotCancelled);
    losses.push_back(valuesOf<float>(outputs.at("loss"))[0]);
  }
  return readBack(net, *program, std::move(losses));
}

// Every step by a program that was just compiled, and so never records.
Trained trainCalledOneByOne(const Net& net, Backend& backend, const KernelOptions& options,
                            int steps) {
  std::unique_ptr<Program> program = compile(net.graph, backend, options);
  net.initialize(*program);
  std::vector<float> losses;
  for (int step = 1; step <= steps; ++step) {
    std::unique_ptr<Program> next = compile(net.graph, backend, options, program.get());
    const HostTensors outputs = next->run(net.inputs(step), kNotCancelled);
    losses.push_back(valuesOf<float>(outputs.at("loss"))[0]);
    program = std::move(next);
  }
  return readBack(net, *program, std::move(losses));
}

void expectClose(const Trained& actual, const Trained& expected, double tolerance) {
  ASSERT_EQ(actual.losses.size(), expected.losses.size());
  for (size_t i = 0; i < expected.losses.size(); ++i) {
    EXPECT_NEAR(actual.losses[i], expected.losses[i], tolerance * std::abs(expected.losses[i]))
        << "step " << i + 1;
  }
  for (const auto& [name, value] : expected.parameters) {
    // Adam's first steps are as long for the smallest gradient as for the largest.
    EXPECT_LE(difference(actual.parameters.at(name), value), 50 * tolerance) << name;
  }
}

void expectSame(const Trained& actual, const Trained& expected) {
  EXPECT_EQ(actual.losses, expected.losses);
  for (const auto& [name, value] : expected.parameters) {
    EXPECT_EQ(actual.parameters.at(name).bytes, value.bytes) << name;
  }
}

// Of programs whose bits are compared: a library's kernels may sum in any order otherwise.
const KernelOptions kSameBits{.deterministic = true};

struct Model {
  const char* name;
  Net net;
};

std::vector<Model> models() {
  return {{"LeNet", smallLeNet(5).train()},
          {"AlexNet", smallAlexNet(3).train()},
          {"AlexNet by SGD", smallAlexNet(3).train(Net::Optimizer::Sgd)}};
}

TEST(BackendTraining, FollowsTheCpu) {
  Gpu gpu;
  for (const Model& model : models()) {
    SCOPED_TRACE(model.name);
    expectClose(train(model.net, gpu.backend(), {}, 3), train(model.net, cpu(), {}, 3), 1e-4);
  }
}

TEST(BackendTraining, FollowsTheCpuInLowerPrecision) {
  Gpu gpu;
  for (const Model& model : models()) {
    SCOPED_TRACE(model.name);
    const Trained expected = train(model.net, cpu(), {}, 3);
    for (const auto& [precision, tolerance] :
         {std::pair{Precision::TF32, 5e-3}, std::pair{Precision::BF16, 5e-2}}) {
      const Trained actual = train(model.net, gpu.backend(), {.precision = precision}, 3);
      for (size_t i = 0; i < expected.losses.size(); ++i) {
        EXPECT_NEAR(actual.losses[i], expected.losses[i], tolerance * expected.losses[i]);
      }
      // Rounding shows: it is not f32 that was computed.
      EXPECT_NE(actual.losses, expected.losses);
    }
  }
}

TEST(BackendTraining, RecordedStepsGiveTheBitsOfCalledOnes) {
  Gpu gpu;
  for (const Precision precision : {Precision::F32, Precision::BF16}) {
    for (const Model& model : models()) {
      SCOPED_TRACE(model.name);
      const KernelOptions options{.precision = precision, .deterministic = true};
      expectSame(train(model.net, gpu.backend(), options, 4),
                 trainCalledOneByOne(model.net, gpu.backend(), options, 4));
    }
  }
}

TEST(BackendTraining, GivesTheSameBitsInEveryOrderOfTheStreams) {
  const Net net = smallAlexNet(2).train();
  std::vector<Trained> results;
  for (const uint64_t seed : {1, 2, 3}) {
    emulation::Settings settings;
    settings.seed = seed;
    Gpu gpu(settings);
    results.push_back(train(net, gpu.backend(), kSameBits, 3));
  }
  expectSame(results[1], results[0]);
  expectSame(results[2], results[0]);
}

TEST(BackendTraining, TwoRunsMayBeUnderWay) {
  Gpu gpu;
  const Net net = smallAlexNet(2).train();
  const Trained expected = train(net, gpu.backend(), kSameBits, 6);

  const std::unique_ptr<Program> program = compile(net.graph, gpu.backend(), kSameBits);
  net.initialize(*program);
  std::vector<float> losses;
  std::unique_ptr<PendingRun> before;
  const auto finish = [&] {
    losses.push_back(valuesOf<float>(program->finish(std::move(before)).at("loss"))[0]);
  };
  for (int step = 1; step <= 6; ++step) {
    std::unique_ptr<PendingRun> run = program->start(net.inputs(step), kNotCancelled);
    if (before) finish();
    before = std::move(run);
  }
  while (!before->isDone()) {
  }
  finish();
  expectSame(readBack(net, *program, losses), expected);
}

TEST(BackendTraining, MoreRunsThanSlotsWaitForEachOther) {
  Gpu gpu;
  const Net net = smallLeNet(2).train();
  const Trained expected = train(net, gpu.backend(), kSameBits, 5);

  const std::unique_ptr<Program> program = compile(net.graph, gpu.backend(), kSameBits);
  net.initialize(*program);
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (int step = 1; step <= 5; ++step) {
    runs.push_back(program->start(net.inputs(step), kNotCancelled));
  }
  std::vector<float> losses;
  for (std::unique_ptr<PendingRun>& run : runs) {
    losses.push_back(valuesOf<float>(program->finish(std::move(run)).at("loss"))[0]);
  }
  expectSame(readBack(net, *program, losses), expected);
}

TEST(BackendTraining, ARunThatNobodyWaitsForIsNoHarm) {
  Gpu gpu;
  const Net net = smallLeNet(2).train();
  const Trained expected = train(net, gpu.backend(), kSameBits, 4);
  const std::unique_ptr<Program> program = compile(net.graph, gpu.backend(), kSameBits);
  net.initialize(*program);
  for (int step = 1; step <= 3; ++step) program->start(net.inputs(step), kNotCancelled);
  const HostTensors last = program->run(net.inputs(4), kNotCancelled);
  EXPECT_EQ(valuesOf<float>(last.at("loss"))[0], expected.losses.back());
}

TEST(BackendTraining, ParametersReadAsTheyWereWritten) {
  Gpu gpu;
  for (const Precision precision : {Precision::F32, Precision::BF16}) {
    for (const Model& model : models()) {
      SCOPED_TRACE(model.name);
      const std::unique_ptr<Program> program =
          compile(model.net.graph, gpu.backend(), {.precision = precision});
      uint32_t seed = 100;
      HostTensors written;
      for (const ValueSpec& value : model.net.graph.values) {
        if (!isPersistent(value)) continue;
        written[value.name] = randomTensor(DType::F32, value.shape, seed++);
        program->write(value.name, written[value.name]);
      }
      for (const auto& [name, value] : written) {
        EXPECT_EQ(program->read(name).bytes, value.bytes) << name;
      }
    }
  }
}

TEST(BackendTraining, AnotherProgramSeesTheParametersThatItShares) {
  Gpu gpu;
  const Net step = smallAlexNet(3).train();
  const Net prediction = smallAlexNet(4).predict();
  for (const Precision precision : {Precision::F32, Precision::BF16}) {
    const KernelOptions options{.precision = precision, .deterministic = true};
    const std::unique_ptr<Program> training = compile(step.graph, gpu.backend(), options);
    step.initialize(*training);
    const std::unique_ptr<Program> predicting =
        compile(prediction.graph, gpu.backend(), options, training.get());
    for (int i = 1; i <= 3; ++i) training->run(step.inputs(i), kNotCancelled);
    const HostTensors shared = predicting->run(prediction.inputs(9), kNotCancelled);

    const std::unique_ptr<Program> alone = compile(prediction.graph, gpu.backend(), options);
    for (const std::string& name : prediction.names()) alone->write(name, training->read(name));
    const HostTensors copied = alone->run(prediction.inputs(9), kNotCancelled);
    EXPECT_EQ(shared.at("probabilities").bytes, copied.at("probabilities").bytes);
  }
}

TEST(BackendTraining, ProfilingLeavesParametersAlone) {
  Gpu gpu;
  const Net net = smallLeNet(2).train();
  const Trained expected = train(net, gpu.backend(), kSameBits, 2);
  const std::unique_ptr<Program> program = compile(net.graph, gpu.backend(), kSameBits);
  net.initialize(*program);
  const std::vector<double> times = program->profile(net.inputs(1), 2, kNotCancelled);
  EXPECT_EQ(times.size(), program->plan().steps.size());
  std::vector<float> losses;
  for (int step = 1; step <= 2; ++step) {
    losses.push_back(valuesOf<float>(program->run(net.inputs(step), kNotCancelled).at("loss"))[0]);
  }
  expectSame(readBack(net, *program, losses), expected);
}

}  // namespace
}  // namespace neuronode::cuda::testing
