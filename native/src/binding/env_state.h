// What one Node environment (the main thread or a worker) owns: its way back from the device's
// thread, its jobs under way, its constructors.
//
// An environment that goes cancels its jobs: those that have not begun are dropped, and the one
// that runs is waited for, so that nothing of the environment is touched afterwards.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "device_queue.h"

namespace neuronode::binding {

class EnvState {
 public:
  explicit EnvState(Napi::Env env);
  EnvState(const EnvState&) = delete;
  EnvState& operator=(const EnvState&) = delete;

  static EnvState& of(Napi::Env env);

  using Settle = std::function<void(Napi::Env)>;
  // Runs `job`, which must not throw, on the queue's thread, then what it returns on this
  // environment's thread. Keeps the process alive until then. False, and nothing happens, where the
  // environment is going.
  bool post(DeviceQueue& queue, std::function<Settle()> job);

  // Idempotent.
  void shutDown();

  // Set when the environment is going: long jobs stop early. Outlives the environment with its
  // jobs.
  std::shared_ptr<const std::atomic<bool>> cancelled() const { return {jobs_, &jobs_->cancelled}; }

  Napi::FunctionReference programConstructor;

 private:
  // Shared with the jobs, which may be dropped after the environment is gone.
  struct Jobs {
    std::atomic<bool> cancelled = false;
    std::mutex mutex;
    std::condition_variable idle;
    bool running = false;     // one of ours is on the device's thread; under mutex
    std::deque<Settle> done;  // under mutex
  };

  void settleAll(Napi::Env env);

  Napi::Env env_;
  std::shared_ptr<Jobs> jobs_ = std::make_shared<Jobs>();
  Napi::ThreadSafeFunction wake_;
  int unsettled_ = 0;  // on the environment's thread
};

}  // namespace neuronode::binding
