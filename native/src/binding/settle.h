// How a job on a device's thread ends in a promise: with a value or with a typed error.
#pragma once

#include <napi.h>

#include <memory>
#include <string>
#include <utility>

#include "binding/env_state.h"
#include "error.h"

namespace neuronode::binding {

using Deferred = std::shared_ptr<Napi::Promise::Deferred>;

EnvState::Settle rejection(Deferred deferred, std::string code, std::string message);
// With the exception that is being handled.
EnvState::Settle rejection(Deferred deferred);

// `finish` turns the result into the promise's value, on the environment's thread.
template <typename Result, typename Finish>
EnvState::Settle resolution(Deferred deferred, Result value, Finish finish) {
  auto result = std::make_shared<Result>(std::move(value));
  return [deferred = std::move(deferred), result = std::move(result),
          finish = std::move(finish)](Napi::Env env) {
    Napi::HandleScope scope(env);
    try {
      deferred->Resolve(finish(env, std::move(*result)));
    } catch (const Napi::Error& error) {
      deferred->Reject(error.Value());
    }
  };
}

// Rejects at once where the environment is going.
template <typename Job>
void postOrReject(Napi::Env env, DeviceQueue& queue, const Deferred& deferred, Job job) {
  if (!EnvState::of(env).post(queue, std::move(job))) {
    rejection(deferred, errc::kCancelled, kShuttingDown)(env);
  }
}

}  // namespace neuronode::binding
