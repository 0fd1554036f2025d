// The addon's exports: devices, thread count, compile, random numbers, versions. Context-aware:
// each environment has its own EnvState.
#include <napi.h>

#include "binding/env_state.h"
#include "binding/generator_object.h"
#include "binding/program_object.h"
#include "binding/values.h"
#include "cpu/cpu_device.h"
#include "cpu/memory.h"
#include "cpu/threads.h"
#include "devices.h"

namespace neuronode::binding {

namespace {

Napi::Object toDeviceObject(Napi::Env env, const DeviceInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", info.name);
  object.Set("model", info.model);
  for (const auto& [name, text] : info.text) object.Set(name, text);
  for (const auto& [name, number] : info.numbers) object.Set(name, number);
  object.Set("emulated", Napi::Boolean::New(env, info.emulated));
  return object;
}

// devices(): the CPU, and what the CUDA library offers, which the first call opens: a second or
// more on this thread. Programs on the CPU never need it.
Napi::Value devices(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    const std::vector<Device*> found = listDevices();
    Napi::Array list = Napi::Array::New(env, found.size());
    for (size_t i = 0; i < found.size(); ++i) {
      list.Set(static_cast<uint32_t>(i), toDeviceObject(env, found[i]->info()));
    }
    return list;
  });
}

// device(name): one of devices(), undefined where it is missing. Asking for the CPU opens no
// library.
Napi::Value deviceNamed(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    if (!info[0].IsString()) throw Error(errc::kArgument, "a device's name must be a string");
    Device* device = lookUpDevice(info[0].As<Napi::String>().Utf8Value());
    return device ? toDeviceObject(env, device->info()) : env.Undefined();
  });
}

// missingDevices(): { name, code, reason }[]
Napi::Value missingDeviceList(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    const std::vector<MissingDevice> missing = missingDevices();
    Napi::Array list = Napi::Array::New(env, missing.size());
    for (size_t i = 0; i < missing.size(); ++i) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("name", missing[i].name);
      object.Set("code", missing[i].code);
      object.Set("reason", missing[i].reason);
      list.Set(static_cast<uint32_t>(i), object);
    }
    return list;
  });
}

Napi::Value setNumThreads(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&]() -> Napi::Value {
    const double threads = info[0].IsNumber() ? info[0].As<Napi::Number>().DoubleValue() : 0;
    // OpenMP ends the process where it cannot start its threads, so a slip must not ask for many.
    constexpr int kMostPerCore = 4;
    const int most = kMostPerCore * usableCores();
    if (!(threads >= 1 && threads <= most) || threads != static_cast<int>(threads)) {
      throw Error(errc::kArgument, "the number of threads must be a whole number from 1 to " +
                                       std::to_string(most) + " (" + std::to_string(kMostPerCore) +
                                       " for each usable core)");
    }
    CpuDevice::instance().setThreads(static_cast<int>(threads));
    return info.Env().Undefined();
  });
}

Napi::Value getNumThreads(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), CpuDevice::instance().threads());
  });
}

// availableMemory(): bytes
Napi::Value memoryLeft(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&]() -> Napi::Value {
    return Napi::Number::New(info.Env(), static_cast<double>(availableMemory()));
  });
}

Napi::Array operationNames(Napi::Env env) {
  const std::vector<Op>& operations = allOps();
  Napi::Array array = Napi::Array::New(env, operations.size());
  for (size_t i = 0; i < operations.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), opName(operations[i]));
  }
  return array;
}

}  // namespace

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto state = std::make_unique<EnvState>(env);
  state->programConstructor = Napi::Persistent(ProgramObject::define(env));
  env.SetInstanceData(state.release());
  // process.exit() runs the process's static destructors, oneDNN's among them, without running
  // cleanup hooks first: whatever still computes then would crash. The event 'exit' comes before.
  const auto process = env.Global().Get("process").As<Napi::Object>();
  const auto onExit = Napi::Function::New(
      env, [](const Napi::CallbackInfo& info) { EnvState::of(info.Env()).shutDown(); });
  process.Get("on").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), onExit});
  exports.Set("devices", Napi::Function::New<devices>(env, "devices"));
  exports.Set("device", Napi::Function::New<deviceNamed>(env, "device"));
  exports.Set("missingDevices", Napi::Function::New<missingDeviceList>(env, "missingDevices"));
  exports.Set("availableMemory", Napi::Function::New<memoryLeft>(env, "availableMemory"));
  exports.Set("setNumThreads", Napi::Function::New<setNumThreads>(env, "setNumThreads"));
  exports.Set("getNumThreads", Napi::Function::New<getNumThreads>(env, "getNumThreads"));
  exports.Set("compile", Napi::Function::New<ProgramObject::compile>(env, "compile"));
  exports.Set("Generator", GeneratorObject::define(env));
  exports.Set("operations", operationNames(env));
  const dnnl_version_t* version = dnnl_version();
  exports.Set("onednnVersion", std::to_string(version->major) + "." +
                                   std::to_string(version->minor) + "." +
                                   std::to_string(version->patch));
  return exports;
}

}  // namespace neuronode::binding

static Napi::Object initNeuronode(Napi::Env env, Napi::Object exports) {
  return neuronode::binding::init(env, exports);
}

NODE_API_MODULE(neuronode, initNeuronode)
