// The library's one entry: which GPUs there are, and for those that are not, why. The reasons are
// looked for in the order in which a user would have to put them right: driver, GPU, libraries.
#include <cstring>
#include <exception>
#include <string>
#include <utility>

#include "cuda_device.h"
#include "device.h"
#include "error.h"
#include "loading/libraries.h"

namespace neuronode::cuda {

namespace {

constexpr int kNeededCuda = 13000;
constexpr int kNeededComputeMajor = 8;
constexpr const char* kNeededDriver = "CUDA 13.0 is needed, which drivers from 580 on bring";

std::string version(int cuda) {
  return std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
}

class CudaProvider : public DeviceProvider {
 public:
  CudaProvider() {
    try {
      findDevices();
    } catch (const Error& error) {
      miss("cuda", error.code(), error.what());
    } catch (const std::exception& error) {
      miss("cuda", errc::kDeviceUnavailable, error.what());
    }
  }

  // Those that still work.
  std::vector<Device*> devices() override {
    std::vector<Device*> working;
    for (const std::unique_ptr<CudaDevice>& device : devices_) {
      if (!device->health().isLost()) working.push_back(device.get());
    }
    return working;
  }

  std::vector<MissingDevice> missing() override {
    std::vector<MissingDevice> all = missing_;
    for (const std::unique_ptr<CudaDevice>& device : devices_) {
      if (!device->health().isLost()) continue;
      all.push_back({device->name(), errc::kDeviceFailed,
                     "the device was lost by a failure, and works again in a new process at the "
                     "earliest: " +
                         device->health().why()});
    }
    return all;
  }

 private:
  void findDevices() {
    if (!hasDriver()) return;
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaErrorNoDevice || (status == cudaSuccess && count == 0)) {
      cudaGetLastError();
      miss("cuda", errc::kDeviceUnavailable,
           "the NVIDIA driver sees no GPU; if there is one, look at CUDA_VISIBLE_DEVICES and, in a "
           "container, at how it was given GPUs");
      return;
    }
    checkCuda(status, "cudaGetDeviceCount");
    if (const std::optional<LibraryProblem> problem = openLibraries()) {
      miss("cuda", problem->code, problem->message);
      return;
    }
    for (int i = 0; i < count; ++i) addDevice(i);
  }

  bool hasDriver() {
    int driver = 0;
    NN_CHECK_CUDA(cudaDriverGetVersion(&driver));
    if (driver >= kNeededCuda) return true;
    const std::string found =
        driver == 0 ? "there is no NVIDIA driver, or this process cannot see it"
                    : "the NVIDIA driver is too old: it offers CUDA " + version(driver);
    miss("cuda", errc::kDeviceUnavailable, found + "; " + kNeededDriver);
    return false;
  }

  void addDevice(int ordinal) {
    const std::string name = "cuda:" + std::to_string(ordinal);
    try {
      GpuFacts facts = readFacts(ordinal);
      if (facts.computeMajor < kNeededComputeMajor) {
        miss(name, errc::kDeviceUnavailable,
             facts.model + " has compute capability " + std::to_string(facts.computeMajor) + "." +
                 std::to_string(facts.computeMinor) + "; 8.0 or more is needed (Ampere and newer)");
        return;
      }
      devices_.push_back(std::make_unique<CudaDevice>(std::move(facts)));
    } catch (const Error& error) {
      // The others may still work.
      miss(name, error.code(), error.what());
    }
  }

  void miss(std::string name, std::string code, std::string reason) {
    missing_.push_back({std::move(name), std::move(code), std::move(reason)});
  }

  std::vector<std::unique_ptr<CudaDevice>> devices_;
  std::vector<MissingDevice> missing_;
};

}  // namespace

}  // namespace neuronode::cuda

extern "C" __attribute__((visibility("default"))) neuronode::DeviceProvider* neuronodeDeviceLibrary(
    const char* build) {
  if (std::strcmp(build, neuronode::kDeviceLibraryBuild) != 0) return nullptr;
  // Never destroyed: its devices' threads outlive main().
  static auto* provider = new neuronode::cuda::CudaProvider();
  return provider;
}
