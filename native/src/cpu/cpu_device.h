// The process's one CPU device: its backend, its thread, and how many threads it computes with.
#pragma once

#include <atomic>

#include "cpu/cpu_backend.h"
#include "device_queue.h"

namespace neuronode {

class CpuDevice {
 public:
  // Made on first use and never destroyed, since its thread outlives main(). Throws
  // ERR_NN_DEVICE_UNAVAILABLE where the processor or the settings do not allow it.
  static CpuDevice& instance();

  DeviceQueue& queue() { return queue_; }
  // On the device's thread only.
  CpuBackend& backend() { return backend_; }

  // Applies to programs compiled from now on.
  void setThreads(int threads) { threads_ = threads; }
  int threads() const { return threads_; }

 private:
  CpuDevice();

  CpuBackend backend_;
  DeviceQueue queue_;
  std::atomic<int> threads_;
};

}  // namespace neuronode
