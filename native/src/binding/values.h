// JavaScript values to C++ values and back. Everything is checked here: below, types are trusted.
#pragma once

#include <napi.h>

#include <exception>
#include <memory>
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
  } catch (const Napi::Error&) {
    throw;
  } catch (const Error& error) {
    throw toJsError(env, error.code(), error.what());
  } catch (const std::bad_alloc&) {
    throw toJsError(env, errc::kOutOfMemory, "the host is out of memory");
  } catch (const std::exception& error) {
    throw toJsError(env, errc::kNative, error.what());
  }
}

// Throw ERR_NN_ARGUMENT where the value is not of the wanted kind.
GraphSpec parseGraph(const Napi::Value& value);
// Copies the value's elements into `tensor`, reusing its memory.
enum class Rows { All, AllOrFewer };  // fewer rows are padded with zeros
void parseTensor(const Napi::Value& value, const std::string& name, const TensorDesc& desc,
                 Rows rows, HostTensor& tensor);

// A new typed array of the tensor's elements.
Napi::Value toTypedArray(Napi::Env env, HostTensor tensor);

// Memory of a tensor that JavaScript is to fill: { data: a typed array over it, memory }. What is
// taken back belongs to the caller; the array has no elements any more.
Napi::Object toStaged(Napi::Env env, std::shared_ptr<HostTensor> tensor);
std::shared_ptr<HostTensor> takeStaged(const Napi::Value& value, const std::string& name,
                                       const TensorDesc& desc);

Napi::Object toPlanObject(Napi::Env env, const PlanInfo& plan);

}  // namespace neuronode::binding
