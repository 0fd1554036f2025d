// Times of kernels: told by the device's own clock, with all of a step's work on the device at
// once. A host that waited for each kernel would count its waiting.
#include "backend_nets.h"

namespace neuronode::cuda::testing {
namespace {

TEST(BackendProfile, LapsWaitForNothingUntilTheyAreRead) {
  Gpu gpu;
  const DeviceMemory memory = makeDeviceMemory(64);
  const std::unique_ptr<Laps> laps = gpu.backend().makeLaps();
  const uint64_t before = emulation::workDone();
  laps->mark();
  for (int piece = 0; piece < 2; ++piece) {
    NN_CHECK_CUDA(cudaMemsetAsync(memory.get(), piece, 64, gpu.context().compute()));
    laps->mark();
  }
  EXPECT_EQ(emulation::workDone(), before);
  const std::vector<double> times = laps->milliseconds();
  EXPECT_GE(emulation::workDone(), before + 2);
  ASSERT_EQ(times.size(), 2u);
  for (const double time : times) EXPECT_GE(time, 0);
}

TEST(BackendProfile, AProgramAsksTheDeviceForItsTimes) {
  Gpu gpu;
  const Net net = smallLeNet(2).train();
  const std::unique_ptr<Program> program = compile(net.graph, gpu.backend(), {});
  net.initialize(*program);
  emulation::failCall("cudaEventElapsedTime", 1, emulation::Fault::NotSupported);
  EXPECT_THROW(program->profile(net.inputs(1), 2, kNotCancelled), Error);
  emulation::failNothing();
  EXPECT_EQ(program->profile(net.inputs(1), 2, kNotCancelled).size(), program->plan().steps.size());
}

}  // namespace
}  // namespace neuronode::cuda::testing
