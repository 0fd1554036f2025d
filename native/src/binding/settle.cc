#include "binding/settle.h"

#include <exception>
#include <new>

#include "binding/values.h"

namespace neuronode::binding {

EnvState::Settle rejection(Deferred deferred, std::string code, std::string message) {
  return [deferred = std::move(deferred), code = std::move(code),
          message = std::move(message)](Napi::Env env) {
    Napi::HandleScope scope(env);
    deferred->Reject(toJsError(env, code, message).Value());
  };
}

EnvState::Settle rejection(Deferred deferred) {
  try {
    throw;
  } catch (const Error& error) {
    return rejection(std::move(deferred), error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return rejection(std::move(deferred), errc::kOutOfMemory, "the host is out of memory");
  } catch (const std::exception& error) {
    return rejection(std::move(deferred), errc::kNative, error.what());
  }
}

}  // namespace neuronode::binding
