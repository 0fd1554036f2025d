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

std::shared_ptr<const std::atomic<bool>> EnvState::cancelled() const {
  return {jobs_, &jobs_->cancelled};
}

void EnvState::shutDown() {
  jobs_->cancelled = true;
  std::unique_lock lock(jobs_->mutex);
  jobs_->idle.wait(lock, [this] { return jobs_->running == 0; });
}

EnvState::Completion::Completion(EnvState& state, std::shared_ptr<Jobs> jobs)
    : state_(state), jobs_(std::move(jobs)) {}

EnvState::Completion::~Completion() {
  if (jobs_) (*this)([](Napi::Env) {});
}

void EnvState::Completion::operator()(Settle settle) {
  const std::shared_ptr<Jobs> jobs = std::move(jobs_);
  std::lock_guard lock(jobs->mutex);
  jobs->done.push_back(std::move(settle));
  if (!jobs->cancelled) state_.wake_.NonBlockingCall();
  --jobs->running;
  jobs->idle.notify_all();
}

bool EnvState::post(DeviceQueue& queue, std::function<void(std::shared_ptr<Completion>)> job) {
  if (jobs_->cancelled) return false;
  queue.post([this, jobs = jobs_, job = std::move(job)]() mutable {
    {
      std::lock_guard lock(jobs->mutex);
      if (jobs->cancelled) return;
      ++jobs->running;  // from here on the environment waits
    }
    job(std::make_shared<Completion>(*this, jobs));
  });
  if (unsettled_++ == 0) wake_.Ref(env_);
  return true;
}

bool EnvState::post(DeviceQueue& queue, std::function<Settle()> job) {
  return post(queue, [job = std::move(job)](std::shared_ptr<Completion> completion) mutable {
    Settle settle = job();
    job = nullptr;  // lets go of the program while the environment still stands
    (*completion)(std::move(settle));
  });
}

void EnvState::settleAll(Napi::Env env) {
  std::deque<Settle> done;
  {
    std::lock_guard lock(jobs_->mutex);
    done.swap(jobs_->done);
  }
  for (Settle& settle : done) {
    if (--unsettled_ == 0) wake_.Unref(env);
    try {
      settle(env);
    } catch (const Napi::Error&) {
      // A worker that is being terminated refuses every call; there is nobody left to tell.
    }
  }
}

}  // namespace neuronode::binding
