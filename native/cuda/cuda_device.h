// One GPU: its thread, and what runs on it. Its streams, handles and backend are made by the first
// job, on that thread: a GPU that nobody computes on costs nothing.
#pragma once

#include <memory>
#include <optional>

#include "context.h"
#include "cuda_backend.h"
#include "device.h"

namespace neuronode::cuda {

class CudaDevice : public Device {
 public:
  explicit CudaDevice(GpuFacts facts) : facts_(std::move(facts)) {}

  std::string name() override { return "cuda:" + std::to_string(facts_.ordinal); }
  DeviceInfo info() override;
  DeviceQueue& queue() override { return queue_; }
  void beginJob(int threads) override;
  Backend& backend() override { return state_->backend; }

  const DeviceHealth& health() const { return health_; }

 private:
  struct State {
    State(const GpuFacts& facts, DeviceHealth& health) : context(facts, health), backend(context) {}
    Context context;
    CudaBackend backend;
  };

  GpuFacts facts_;
  DeviceHealth health_;
  DeviceQueue queue_;
  std::unique_ptr<State> state_;
};

}  // namespace neuronode::cuda
