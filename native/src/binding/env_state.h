// What one Node environment (the main thread or a worker) owns: its way back from the devices'
// threads, its jobs under way, its constructors.
//
// An environment that goes cancels its jobs: those that have not begun are dropped, and those that
// have are waited for, so that nothing of the environment is touched afterwards.
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
  struct Jobs;

 public:
  explicit EnvState(Napi::Env env);
  EnvState(const EnvState&) = delete;
  EnvState& operator=(const EnvState&) = delete;

  static EnvState& of(Napi::Env env);

  using Settle = std::function<void(Napi::Env)>;

  // The end of a job that has begun; the environment stands until it is called. Any thread.
  class Completion {
   public:
    Completion(EnvState& state, std::shared_ptr<Jobs> jobs);
    ~Completion();  // where it was not called, there is nothing to settle
    Completion(const Completion&) = delete;
    Completion& operator=(const Completion&) = delete;

    // Once: `settle` runs on the environment's thread.
    void operator()(Settle settle);

   private:
    EnvState& state_;
    std::shared_ptr<Jobs> jobs_;  // null once called
  };

  // Runs `job`, which must not throw, on the queue's thread; it calls the completion, then or when
  // the work that it began on a device is done. Keeps the process alive until that is settled.
  // False, and nothing happens, where the environment is going.
  bool post(DeviceQueue& queue, std::function<void(std::shared_ptr<Completion>)> job);
  // The same for a job that is done when it returns.
  bool post(DeviceQueue& queue, std::function<Settle()> job);

  // Idempotent.
  void shutDown();

  // Set when the environment is going: long jobs stop early. Outlives the environment with its
  // jobs.
  std::shared_ptr<const std::atomic<bool>> cancelled() const;

  Napi::FunctionReference programConstructor;

 private:
  // Shared with the jobs, which may be dropped after the environment is gone.
  struct Jobs {
    std::atomic<bool> cancelled = false;
    std::mutex mutex;
    std::condition_variable idle;
    int running = 0;          // begun and not completed; under mutex
    std::deque<Settle> done;  // under mutex
  };

  void settleAll(Napi::Env env);

  Napi::Env env_;
  std::shared_ptr<Jobs> jobs_ = std::make_shared<Jobs>();
  Napi::ThreadSafeFunction wake_;
  int unsettled_ = 0;  // on the environment's thread
};

}  // namespace neuronode::binding
