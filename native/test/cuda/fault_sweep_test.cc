// Calls and work made to fail in turn where a network goes by the backend's rarer ways: products
// instead of convolution plans, pooling by the library, timed plans, two runs under way. Whatever
// fails, the error comes through, nothing is left, and the process works on. (The common way, call
// by call, is in call_faults_test.cc.)
#include <utility>

#include "backend_nets.h"
#include "emulation/conv_planner.h"

namespace neuronode::cuda::testing {
namespace {

struct Way {
  const char* name;
  Net net;
  KernelOptions options;
  bool refusePlans = false;
};

std::vector<Way> ways() {
  return {
      {"products", smallLeNet(2).train(), {}, true},
      {"products in bf16", smallLeNet(2).train(), {.precision = Precision::BF16}, true},
      {"pooling by the library",
       smallAlexNet(2).train(Net::Optimizer::Sgd),
       {.precision = Precision::TF32, .pooling = PoolingKernel::Library}},
      {"timed plans", smallAlexNet(2).train(), {.precision = Precision::BF16, .autotune = true}},
  };
}

// Compiles and makes four steps, of which two are under way at a time.
std::vector<float> runJob(const Way& way, DeviceHealth& health) {
  Context context(GpuFacts{.model = "emulated"}, health);
  CudaBackend backend(context);
  const std::unique_ptr<Program> program = compile(way.net.graph, backend, way.options);
  way.net.initialize(*program);
  std::vector<float> losses;
  const auto finish = [&](std::unique_ptr<PendingRun> run) {
    if (run) losses.push_back(valuesOf<float>(program->finish(std::move(run)).at("loss"))[0]);
  };
  std::unique_ptr<PendingRun> before;
  for (int step = 1; step <= 4; ++step) {
    auto next = program->start(way.net.inputs(step), kNotCancelled);
    finish(std::exchange(before, std::move(next)));
  }
  finish(std::move(before));
  return losses;
}

class FaultSweepTest : public ::testing::Test {
 protected:
  ~FaultSweepTest() override {
    emulation::refusePlans(nullptr);
    emulation::reset();
    DeviceHealth::setCurrent(nullptr);
  }

  // What an attempt with one fault came to.
  struct Outcome {
    bool failed = false;  // the fault was met
    bool threw = false;
    std::vector<float> losses;
  };
  static Outcome attempt(const Way& way, const std::function<void()>& arm) {
    emulation::reset();
    if (way.refusePlans) {
      emulation::refusePlans([](const ConvProblem&) { return true; });
    } else {
      emulation::refusePlans(nullptr);
    }
    DeviceHealth health;
    DeviceHealth::setCurrent(&health);
    arm();
    Outcome outcome;
    try {
      outcome.losses = runJob(way, health);
    } catch (const Error& error) {
      outcome.threw = true;
      EXPECT_NE(std::string(error.what()), "");
    }
    outcome.failed = !emulation::failed().empty();
    DeviceHealth::setCurrent(nullptr);
    EXPECT_TRUE(emulation::live().none()) << emulation::live().text() << " left";
    for (const std::string& text : emulation::violations()) ADD_FAILURE() << text;
    return outcome;
  }

  static void expectClose(const std::vector<float>& losses, const std::vector<float>& expected) {
    ASSERT_EQ(losses.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(losses[i], expected[i], 0.01 * std::abs(expected[i]))
          << "a fault that nobody was told of";
    }
  }

  // From fault to fault the distance grows: jobs make thousands of calls of few kinds.
  static int sweep(const Way& way, const std::function<void(uint64_t)>& arm) {
    const std::vector<float> expected = attempt(way, [] {}).losses;
    int errors = 0;
    for (uint64_t n = 1; !HasFailure(); n += 1 + n / 8) {
      SCOPED_TRACE(n);
      const Outcome outcome = attempt(way, [&] { arm(n); });
      if (!outcome.failed) {
        EXPECT_EQ(outcome.losses, expected);
        break;
      }
      errors += outcome.threw;
      // The backend may have gone another way, which rounds in other places.
      if (!outcome.threw) expectClose(outcome.losses, expected);
    }
    return errors;
  }
};

TEST_F(FaultSweepTest, EveryWayTellsOfCallsThatFail) {
  for (const Way& way : ways()) {
    SCOPED_TRACE(way.name);
    if (HasFailure()) break;
    for (const emulation::Fault kind :
         {emulation::Fault::Natural, emulation::Fault::OutOfMemory, emulation::Fault::Sticky}) {
      EXPECT_GT(sweep(way, [kind](uint64_t n) { emulation::failCall(n, kind); }), 20);
    }
  }
}

TEST_F(FaultSweepTest, EveryWayTellsOfWorkThatFails) {
  for (const Way& way : ways()) {
    SCOPED_TRACE(way.name);
    EXPECT_GT(sweep(way, [](uint64_t n) { emulation::failWork(n); }), 20);
  }
}

// No fault, but streams in other orders: what the steps forgot to wait for would show.
TEST_F(FaultSweepTest, EveryWayComputesTheSameInAnyOrderOfTheStreams) {
  for (const Way& way : ways()) {
    SCOPED_TRACE(way.name);
    const std::vector<float> expected = attempt(way, [] {}).losses;
    for (uint64_t order = 2; order < 12; ++order) {
      SCOPED_TRACE(order);
      EXPECT_EQ(attempt(way, [order] { emulation::seed(order); }).losses, expected);
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda::testing
