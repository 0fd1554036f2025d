#include "binding/env_state.h"

#include <utility>

namespace neuronode::binding {

EnvState::EnvState(Napi::Env env)
    : env_(env),
      wake_(Napi::ThreadSafeFunction::New(
          env,
          Napi::Function::New(
              env, [](const Napi::CallbackInfo& info) { of(info.Env()).settleAll(info.Env()); }),
          "neuronode", 0, 1)) {
  wake_.Unref(env);
  // Hooks run in the reverse order of their making: this one before wake_'s own, so that wake_ is
  // whole as long as a job may call it.
  env.AddCleanupHook([this] { shutDown(); });
}

EnvState& EnvState::of(Napi::Env env) { return *env.GetInstanceData<EnvState>(); }

void EnvState::shutDown() {
  cancelled_ = true;
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return running_ == 0; });
}

void EnvState::post(DeviceQueue& queue, std::function<Settle()> job) {
  if (cancelled_) return;  // the process is ending: nobody will see the promise settle
  if (unsettled_++ == 0) wake_.Ref(env_);
  {
    std::lock_guard lock(mutex_);
    ++running_;
  }
  queue.post([this, job = std::move(job)]() mutable {
    Settle settle = job();
    job = nullptr;  // lets go of the program while the environment still stands
    std::lock_guard lock(mutex_);
    done_.push_back(std::move(settle));
    if (!cancelled_) wake_.NonBlockingCall();
    --running_;
    idle_.notify_all();
  });
}

void EnvState::settleAll(Napi::Env env) {
  std::deque<Settle> done;
  {
    std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (Settle& settle : done) {
    settle(env);
    if (--unsettled_ == 0) wake_.Unref(env);
  }
}

}  // namespace neuronode::binding
