// What one Node environment (the main thread or a worker) owns: its way back from the device's
// thread, its jobs under way, its constructors. An environment that goes waits for its jobs first,
// cancelling long ones, so that nothing of it is touched afterwards.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
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
  // Runs `job` on the queue's thread, then what it returns on this environment's thread. Keeps the
  // process alive until then. Where the environment is going, the second part is dropped.
  void post(DeviceQueue& queue, std::function<Settle()> job);

  // Cancels the jobs under way and waits for them. Idempotent.
  void shutDown();

  // Set when the environment is going: long jobs stop early.
  const std::atomic<bool>& cancelled() const { return cancelled_; }

  Napi::FunctionReference programConstructor;

 private:
  void settleAll(Napi::Env env);

  Napi::Env env_;
  Napi::ThreadSafeFunction wake_;
  int unsettled_ = 0;  // on the environment's thread
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::condition_variable idle_;
  int running_ = 0;          // jobs posted and not finished on the device; under mutex_
  std::deque<Settle> done_;  // under mutex_
};

}  // namespace neuronode::binding
