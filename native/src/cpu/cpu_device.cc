#include "cpu/cpu_device.h"

#include <omp.h>

#include <exception>

#include "cpu/cpu_info.h"
#include "cpu/isa.h"
#include "cpu/memory.h"
#include "cpu/threads.h"
#include "error.h"

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

DeviceInfo CpuDevice::info() {
  DeviceInfo info;
  info.name = "cpu";
  info.model = cpuModel();
  info.text["isa"] = isaName(detectIsa());
  info.numbers["threads"] = threads_;
  info.numbers["usableCores"] = usableCores();
  info.numbers["availableMemory"] = static_cast<double>(availableMemory());
  return info;
}

void CpuDevice::beginJob(int threads) { omp_set_num_threads(threads); }

}  // namespace neuronode
