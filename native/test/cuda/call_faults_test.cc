// Every call that a whole job makes, from the device's first handle to reading parameters back, is
// made to fail in turn: the error comes through, nothing is left behind, and the next job works.
#include "backend_nets.h"

namespace neuronode::cuda::testing {
namespace {

// Compiles, trains and reads back, on a device that is made for it.
std::vector<float> runJob(const Net& net, const KernelOptions& options, DeviceHealth& health) {
  Context context(GpuFacts{.model = "emulated"}, health);
  CudaBackend backend(context);
  const std::unique_ptr<Program> program = compile(net.graph, backend, options);
  net.initialize(*program);
  std::vector<float> losses;
  for (int step = 1; step <= 3; ++step) {
    const HostTensors outputs = program->run(net.inputs(step), kNotCancelled);
    losses.push_back(valuesOf<float>(outputs.at("loss"))[0]);
  }
  for (const std::string& name : net.names()) program->read(name);
  return losses;
}

struct Tried {
  uint64_t faults = 0, errors = 0;
};

// `arm` makes the n-th call or piece of work fail. The distance from one n to the next grows where
// a job makes thousands of calls of few kinds.
Tried failEach(const Net& net, const KernelOptions& options, uint64_t growth,
               const std::function<void(uint64_t n)>& arm) {
  Tried tried;
  std::vector<float> expected;
  {
    emulation::reset();
    DeviceHealth health;
    expected = runJob(net, options, health);
  }
  for (uint64_t n = 1;; n += 1 + n / growth) {
    emulation::reset();
    DeviceHealth health;
    DeviceHealth::setCurrent(&health);
    arm(n);
    std::vector<float> losses;
    bool threw = false;
    try {
      losses = runJob(net, options, health);
    } catch (const Error&) {
      threw = true;
    }
    const std::string failed = emulation::failed();
    DeviceHealth::setCurrent(nullptr);
    const emulation::Live live = emulation::live();
    EXPECT_TRUE(live.none()) << n << ", " << failed << " left behind " << live.text();
    if (failed.empty()) {
      EXPECT_EQ(losses, expected);
      EXPECT_FALSE(threw);
      break;
    }
    ++tried.faults;
    // What a call that releases reports is nobody's to act on; whatever else fails must be told, or
    // have been made good.
    if (threw) {
      ++tried.errors;
    } else {
      EXPECT_EQ(losses, expected) << n << ", " << failed << " failed and nobody was told";
    }
    if (::testing::Test::HasFailure()) break;
  }
  return tried;
}

class CallFaultsTest : public ::testing::Test {
 protected:
  const Net net_ = smallLeNet(2).train();
};

TEST_F(CallFaultsTest, CallsThatFailAreTold) {
  const Tried tried = failEach(net_, {}, 40, [](uint64_t n) { emulation::failCall(n); });
  EXPECT_GT(tried.errors, 100u);
}

TEST_F(CallFaultsTest, CallsThatLoseTheDeviceAreTold) {
  const Tried tried = failEach(net_, {.precision = Precision::BF16}, 10, [](uint64_t n) {
    emulation::failCall(n, emulation::Fault::Sticky);
  });
  EXPECT_GT(tried.errors, 40u);
}

TEST_F(CallFaultsTest, WorkThatFailsIsTold) {
  const Tried tried = failEach(net_, {}, 10, [](uint64_t n) { emulation::failWork(n); });
  EXPECT_GT(tried.errors, 20u);
}

TEST_F(CallFaultsTest, EveryFunctionThatIsCalledMayFail) {
  for (const char* name :
       {"cudaMalloc", "cudaHostAlloc", "cudaMemcpyAsync", "cudaMemsetAsync", "cudaEventRecord",
        "cudaStreamWaitEvent", "cudaStreamSynchronize", "cudaEventSynchronize",
        "cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate", "cudaGraphLaunch",
        "cublasCreate", "cublasSetStream", "cublasSetWorkspace", "cublasGemmEx", "cublasLtCreate",
        "cublasLtMatmul"}) {
    SCOPED_TRACE(name);
    const Tried tried = failEach(net_, {}, 1, [&](uint64_t n) { emulation::failCall(name, n); });
    EXPECT_GT(tried.errors, 0u);
  }
}

}  // namespace
}  // namespace neuronode::cuda::testing
