#include "binding/program_object.h"

#include <exception>
#include <utility>

#include "binding/chores.h"
#include "binding/compile_options.h"
#include "binding/values.h"
#include "cpu/cpu_device.h"
#include "cpu/memory.h"
#include "devices.h"

namespace neuronode::binding {

namespace {

Deferred newDeferred(Napi::Env env) { return std::make_shared<Napi::Promise::Deferred>(env); }

// Runs `work` on the device's thread; `finish` turns what it returned into the promise's value,
// back on the environment's thread. What either throws rejects the promise.
template <typename Work, typename Finish>
void inDeviceThread(Napi::Env env, Device& device, int threads, const Deferred& deferred, Work work,
                    Finish finish) {
  postOrReject(env, device.queue(), deferred,
               [&device, threads, deferred, work = std::move(work),
                finish = std::move(finish)]() mutable -> EnvState::Settle {
                 try {
                   device.beginJob(threads);
                   return resolution(deferred, work(), std::move(finish));
                 } catch (...) {
                   return rejection(deferred);
                 }
               });
}

// The same with a program, after its runs under way.
template <typename Work, typename Finish>
Napi::Value withProgram(Napi::Env env, const std::shared_ptr<ProgramHandle>& handle, Work work,
                        Finish finish) {
  const Deferred deferred = newDeferred(env);
  inDeviceThread(
      env, handle->device, handle->threads, deferred,
      [handle, work = std::move(work)]() mutable {
        handle->landAll();
        return work(*handle->program);
      },
      std::move(finish));
  return deferred->Promise();
}

struct Nothing {};

Napi::Value undefined(Napi::Env env, Nothing) { return env.Undefined(); }

std::string stringArgument(const Napi::CallbackInfo& info, size_t index, const char* what) {
  if (!info[index].IsString()) {
    throw Error(errc::kArgument, std::string(what) + " must be a string");
  }
  return info[index].As<Napi::String>().Utf8Value();
}

// What compile() was asked for.
struct Request {
  std::shared_ptr<GraphSpec> graph;
  CompileOptions options;
  std::shared_ptr<ProgramHandle> share;
};

std::shared_ptr<ProgramHandle> compileNow(const Request& request, Device& device, int threads,
                                          const std::atomic<bool>& cancelled) {
  auto handle = std::make_shared<ProgramHandle>(device, threads);
  handle->program =
      Program::compile(*request.graph, device.backend(), request.options.kernels,
                       request.share ? request.share->program.get() : nullptr, cancelled);
  handle->plan = handle->program->plan();
  for (const ValueSpec& value : request.graph->values) {
    const TensorDesc desc{value.dtype, value.shape, Layout::Plain};
    if (value.kind == ValueKind::Input) handle->inputs[value.name] = desc;
    if (isPersistent(value)) handle->persistent[value.name] = desc;
  }
  // Networks have two runs in flight; single operations, which keep nothing, mostly one.
  handle->staging.prepare(handle->inputs, handle->persistent.empty() ? 1 : 2);
  return handle;
}

void compileOn(Napi::Env env, Device& device, const Request& request, const Deferred& deferred) {
  if (request.share && &request.share->device != &device) {
    throw Error(errc::kArgument, "the program to share with runs on " +
                                     request.share->device.info().name + ", not on " +
                                     request.options.device);
  }
  const int threads = device.threads();
  inDeviceThread(
      env, device, threads, deferred,
      [&device, request, threads, cancelled = EnvState::of(env).cancelled()] {
        return compileNow(request, device, threads, *cancelled);
      },
      [](Napi::Env env, std::shared_ptr<ProgramHandle> handle) -> Napi::Value {
        return EnvState::of(env).programConstructor.New(
            {Napi::External<std::shared_ptr<ProgramHandle>>::New(env, &handle)});
      });
}

// Finding another device than the CPU may open its library, which takes long.
void compileOnFound(Napi::Env env, const Request& request, const Deferred& deferred) {
  postOrReject(env, chores(), deferred, [request, deferred]() -> EnvState::Settle {
    try {
      Device& device = findDevice(request.options.device);
      return [&device, request, deferred](Napi::Env env) {
        Napi::HandleScope scope(env);
        try {
          compileOn(env, device, request, deferred);
        } catch (...) {
          rejection(deferred)(env);
        }
      };
    } catch (...) {
      return rejection(deferred);
    }
  });
}

}  // namespace

Napi::Function ProgramObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeProgram",
      {InstanceMethod<&ProgramObject::run>("run"),
       InstanceMethod<&ProgramObject::profile>("profile"),
       InstanceMethod<&ProgramObject::read>("read"), InstanceMethod<&ProgramObject::write>("write"),
       InstanceMethod<&ProgramObject::stage>("stage"),
       InstanceMethod<&ProgramObject::writeStaged>("writeStaged"),
       InstanceMethod<&ProgramObject::plan>("plan"),
       InstanceMethod<&ProgramObject::dispose>("dispose")});
}

Napi::Value ProgramObject::compile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    Request request{std::make_shared<GraphSpec>(parseGraph(info[0])), {}, nullptr};
    if (!info[1].IsObject()) throw Error(errc::kArgument, "options must be an object");
    const auto object = info[1].As<Napi::Object>();
    request.options = parseCompileOptions(object);
    const Napi::Value shareValue = object.Get("share");
    if (!shareValue.IsUndefined()) {
      const auto& constructor = EnvState::of(env).programConstructor;
      if (!shareValue.IsObject() ||
          !shareValue.As<Napi::Object>().InstanceOf(constructor.Value())) {
        throw Error(errc::kArgument, "share must be a compiled program");
      }
      request.share = Unwrap(shareValue.As<Napi::Object>())->live();
    }
    const Deferred deferred = newDeferred(env);
    if (request.options.device == "cpu") {
      compileOn(env, CpuDevice::instance(), request, deferred);
    } else {
      compileOnFound(env, request, deferred);
    }
    return deferred->Promise();
  });
}

ProgramObject::ProgramObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ProgramObject>(info) {
  if (!info[0].IsExternal()) {
    throw toJsError(info.Env(), errc::kArgument, "programs are made by compile() only");
  }
  handle_ = *info[0].As<Napi::External<std::shared_ptr<ProgramHandle>>>().Data();
  reportedBytes_ = static_cast<int64_t>(handle_->plan.ownedBytes);
  Napi::MemoryManagement::AdjustExternalMemory(info.Env(), reportedBytes_);
}

// Freeing much memory takes long, and is the device thread's work too.
ProgramObject::~ProgramObject() {
  std::shared_ptr<ProgramHandle> handle = release(Env());
  if (!handle) return;
  DeviceQueue& queue = handle->device.queue();
  queue.post([handle = std::move(handle)] {});
}

std::shared_ptr<ProgramHandle> ProgramObject::release(Napi::Env env) {
  if (reportedBytes_ != 0) Napi::MemoryManagement::AdjustExternalMemory(env, -reportedBytes_);
  reportedBytes_ = 0;
  return std::move(handle_);
}

std::shared_ptr<ProgramHandle> ProgramObject::live() const {
  if (!handle_) throw Error(errc::kDisposed, "the program was disposed of");
  return handle_;
}

namespace {

std::shared_ptr<HostTensors> parseInputs(ProgramHandle& handle, const Napi::Value& value) {
  if (!value.IsObject()) throw Error(errc::kArgument, "inputs must be an object");
  const auto object = value.As<Napi::Object>();
  auto tensors = std::make_shared<HostTensors>(handle.staging.take());
  for (const auto& [name, desc] : handle.inputs) {
    const Napi::Value input = object.Get(name);
    if (input.IsUndefined()) throw Error(errc::kArgument, "input '" + name + "' is missing");
    parseTensor(input, name, desc, Rows::AllOrFewer, (*tensors)[name]);
  }
  return tensors;
}

}  // namespace

Napi::Value ProgramObject::run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    const std::shared_ptr<ProgramHandle> owner = live();
    const Deferred deferred = newDeferred(env);
    postOrReject(env, owner->device.queue(), deferred,
                 [owner, deferred, inputs = parseInputs(*owner, info[0]),
                  cancelled = EnvState::of(env).cancelled()](
                     std::shared_ptr<EnvState::Completion> completion) mutable {
                   std::shared_ptr<ProgramHandle> handle = std::move(owner);
                   try {
                     handle->device.beginJob(handle->threads);
                     handle->start(inputs, deferred, completion, cancelled);
                   } catch (...) {
                     EnvState::Settle settle = rejection(deferred);
                     handle.reset();
                     (*completion)(std::move(settle));
                   }
                 });
    return deferred->Promise();
  });
}

Napi::Value ProgramObject::profile(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    const double iterations = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
    if (!(iterations >= 1 && iterations <= 10000)) {
      throw Error(errc::kArgument, "iterations must be between 1 and 10000");
    }
    const std::shared_ptr<ProgramHandle> handle = live();
    return withProgram(
        info.Env(), handle,
        [iterations, inputs = parseInputs(*handle, info[0]),
         cancelled = EnvState::of(info.Env()).cancelled()](Program& program) {
          return program.profile(*inputs, static_cast<int>(iterations), *cancelled);
        },
        [](Napi::Env env, std::vector<double> medians) -> Napi::Value {
          Napi::Array array = Napi::Array::New(env, medians.size());
          for (size_t i = 0; i < medians.size(); ++i) {
            array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, medians[i]));
          }
          return array;
        });
  });
}

Napi::Value ProgramObject::read(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    return withProgram(
        info.Env(), live(),
        [name = stringArgument(info, 0, "name")](Program& program) {
          checkHostMemory(program.hostBytes(name));
          return program.read(name);
        },
        [](Napi::Env env, HostTensor tensor) { return toTypedArray(env, std::move(tensor)); });
  });
}

namespace {

// What the program keeps under a name between runs.
const TensorDesc& persistentOf(const ProgramHandle& handle, const std::string& name) {
  const auto found = handle.persistent.find(name);
  if (found == handle.persistent.end()) {
    throw Error(errc::kArgument, "the program has no parameter or state '" + name + "'");
  }
  return found->second;
}

Napi::Value writeTensor(Napi::Env env, const std::shared_ptr<ProgramHandle>& handle,
                        std::string name, std::shared_ptr<const HostTensor> tensor) {
  return withProgram(
      env, handle,
      [name = std::move(name), tensor = std::move(tensor)](Program& program) mutable {
        program.write(name, *tensor);
        tensor.reset();
        return Nothing{};
      },
      undefined);
}

}  // namespace

Napi::Value ProgramObject::write(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    const std::string name = stringArgument(info, 0, "name");
    const std::shared_ptr<ProgramHandle> handle = live();
    auto tensor = std::make_shared<HostTensor>();
    parseTensor(info[1], name, persistentOf(*handle, name), Rows::All, *tensor);
    return writeTensor(info.Env(), handle, name, std::move(tensor));
  });
}

// The system gives memory page by page, when it is first written to: for a large array that takes
// longer than to copy it.
Napi::Value ProgramObject::stage(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    const TensorDesc desc = persistentOf(*live(), stringArgument(info, 0, "name"));
    const Deferred deferred = newDeferred(env);
    postOrReject(env, chores(), deferred, [deferred, desc]() -> EnvState::Settle {
      try {
        auto tensor = std::make_shared<HostTensor>();
        tensor->dtype = desc.dtype;
        tensor->shape = desc.shape;
        tensor->bytes.resize(static_cast<size_t>(elementCount(desc.shape)) * dtypeSize(desc.dtype));
        return resolution(deferred, std::move(tensor), toStaged);
      } catch (...) {
        return rejection(deferred);
      }
    });
    return deferred->Promise();
  });
}

Napi::Value ProgramObject::writeStaged(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    const std::string name = stringArgument(info, 0, "name");
    const std::shared_ptr<ProgramHandle> handle = live();
    return writeTensor(info.Env(), handle, name,
                       takeStaged(info[1], name, persistentOf(*handle, name)));
  });
}

Napi::Value ProgramObject::plan(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] { return toPlanObject(info.Env(), live()->plan); });
}

// Jobs under way hold the handle too: the memory goes after the last of them, and the promise
// settles then. A device that failed takes its memory back all the same.
Napi::Value ProgramObject::dispose(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    const Deferred deferred = newDeferred(env);
    std::shared_ptr<ProgramHandle> owner = release(env);
    if (!owner) {
      deferred->Resolve(env.Undefined());
      return deferred->Promise();
    }
    DeviceQueue& queue = owner->device.queue();
    postOrReject(env, queue, deferred, [owner = std::move(owner), deferred]() mutable {
      owner->landAll();
      owner.reset();
      return resolution(deferred, Nothing{}, undefined);
    });
    return deferred->Promise();
  });
}

}  // namespace neuronode::binding
