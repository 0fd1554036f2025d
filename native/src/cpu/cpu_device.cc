#include "cpu/cpu_device.h"

#include <exception>

#include "cpu/threads.h"

namespace neuronode {

CpuDevice::CpuDevice() : threads_(usableCores()) {}

CpuDevice& CpuDevice::instance() {
  try {
    static CpuDevice* device = new CpuDevice();
    return *device;
  } catch (const std::exception& error) {
    throw Error(errc::kDeviceUnavailable, std::string("cpu: ") + error.what());
  }
}

}  // namespace neuronode
