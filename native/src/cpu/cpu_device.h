// The process's one CPU device: its backend, its thread, and how many threads it computes with.
#pragma once

#include <atomic>

#include "cpu/cpu_backend.h"
#include "device.h"

namespace neuronode {

class CpuDevice : public Device {
 public:
  // Made on first use and never destroyed, since its thread outlives main(). Throws
  // ERR_NN_DEVICE_UNAVAILABLE where the processor or the settings do not allow it.
  static CpuDevice& instance();

  DeviceInfo info() override;
  DeviceQueue& queue() override { return queue_; }
  int threads() const override { return threads_; }
  // Applies to programs compiled from now on.
  void setThreads(int threads) { threads_ = threads; }

  void beginJob(int threads) override;
  CpuBackend& backend() override { return backend_; }

 private:
  CpuDevice();

  CpuBackend backend_;
  DeviceQueue queue_;
  std::atomic<int> threads_;
};

}  // namespace neuronode
