#include "cuda_device.h"

#include "error.h"
#include "loading/libraries.h"

namespace neuronode::cuda {

namespace {

std::string cudaVersion(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

// Makes a GPU the calling thread's for a while.
class CurrentDevice {
 public:
  explicit CurrentDevice(int ordinal) {
    NN_CHECK_CUDA(cudaGetDevice(&previous_));
    NN_CHECK_CUDA(cudaSetDevice(ordinal));
  }
  ~CurrentDevice() { NN_REPORT_CUDA(cudaSetDevice(previous_)); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int previous_ = 0;
};

// Zero where there is not even enough for CUDA to set itself up on the device.
size_t availableMemory(int ordinal) {
  try {
    const CurrentDevice current(ordinal);
    size_t free = 0, total = 0;
    NN_CHECK_CUDA(cudaMemGetInfo(&free, &total));
    return free;
  } catch (const Error& error) {
    if (std::string(error.code()) == errc::kOutOfMemory) return 0;
    throw;
  }
}

}  // namespace

DeviceInfo CudaDevice::info() {
  int driver = 0, runtime = 0;
  NN_CHECK_CUDA(cudaDriverGetVersion(&driver));
  NN_CHECK_CUDA(cudaRuntimeGetVersion(&runtime));
  const LibraryFacts libraries = openedLibraries();
  return {.name = name(),
          .model = facts_.model,
          .text = {{"driver", cudaVersion(driver)},
                   {"runtime", cudaVersion(runtime)},
                   {"cublas", libraries.cublas},
                   {"cudnn", libraries.cudnn},
                   {"computeCapability", std::to_string(facts_.computeMajor) + "." +
                                             std::to_string(facts_.computeMinor)}},
          .numbers = {{"totalMemory", static_cast<double>(facts_.totalMemory)},
                      {"availableMemory", static_cast<double>(availableMemory(facts_.ordinal))}},
          .emulated = isEmulated()};
}

void CudaDevice::beginJob(int) {
  health_.throwIfLost();
  DeviceHealth::setCurrent(&health_);
  NN_CHECK_CUDA(cudaSetDevice(facts_.ordinal));
  if (!state_) state_ = std::make_unique<State>(facts_, health_);
}

}  // namespace neuronode::cuda
