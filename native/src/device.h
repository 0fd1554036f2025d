// A device that programs run on, and what offers devices: the CPU, or a library such as
// neuronode_cuda that is loaded where it can serve.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "device_queue.h"

namespace neuronode {

// What devices() tells of one.
struct DeviceInfo {
  std::string name;                         // what users pass as `device`: "cpu", "cuda:0"
  std::string model;                        // the hardware's name
  std::map<std::string, std::string> text;  // such as isa, driver, cudnn
  std::map<std::string, double> numbers;    // such as threads, availableMemory, totalMemory (bytes)
  bool emulated = false;                    // a test's imitation of the hardware
};

// Lives until the process ends, since its thread does.
class Device {
 public:
  virtual ~Device() = default;

  // Any thread. `queue` and `threads` too. `name` is info().name, without asking the hardware.
  virtual DeviceInfo info() = 0;
  virtual std::string name() { return info().name; }
  virtual DeviceQueue& queue() = 0;
  // How many host threads programs compiled from now on compute with.
  virtual int threads() const { return 1; }

  // The rest on the device's thread only. Before each job: throws ERR_NN_DEVICE_FAILED where the
  // device can no longer be used.
  virtual void beginJob(int threads) = 0;
  virtual Backend& backend() = 0;
};

// Why a device that one might expect is not there.
struct MissingDevice {
  std::string name;  // "cuda", or "cuda:1"
  std::string code;  // ERR_NN_DEVICE_UNAVAILABLE or a more precise one of error.h
  std::string reason;
};

class DeviceProvider {
 public:
  virtual ~DeviceProvider() = default;
  virtual std::vector<Device*> devices() = 0;
  virtual std::vector<MissingDevice> missing() = 0;
};

// What a backend library exports as kDeviceLibraryEntry. Never throws; what fails is in missing().
// `build` is kDeviceLibraryBuild of the caller: another one is refused, since C++ objects cross.
using DeviceLibraryEntry = DeviceProvider* (*)(const char* build);
inline constexpr const char* kDeviceLibraryEntry = "neuronodeDeviceLibrary";
inline constexpr const char* kDeviceLibraryBuild = "neuronode 0.1.0, interface 1, C++ " __VERSION__;

}  // namespace neuronode
