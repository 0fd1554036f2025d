// JavaScript values to C++ values and back. Everything is checked here: below, types are trusted.
#pragma once

#include <napi.h>

#include <new>
#include <string>

#include "error.h"
#include "graph/program.h"
#include "graph/spec.h"

namespace neuronode::binding {

// An Error object with `code`.
Napi::Error toJsError(Napi::Env env, const std::string& code, const std::string& message);

// Calls `body`; what it throws becomes a JavaScript exception with its code.
template <typename Body>
auto withJsErrors(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw toJsError(env, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    throw toJsError(env, errc::kOutOfMemory, "the host is out of memory");
  }
}

// Throw ERR_NN_ARGUMENT where the value is not of the wanted kind.
GraphSpec parseGraph(const Napi::Value& value);
HostTensor parseTensor(const Napi::Value& value, const std::string& name, const TensorDesc& desc);

// A new typed array of the tensor's elements.
Napi::Value toTypedArray(Napi::Env env, HostTensor tensor);
Napi::Object toPlanObject(Napi::Env env, const PlanInfo& plan);

}  // namespace neuronode::binding
