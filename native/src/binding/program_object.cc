#include "binding/program_object.h"

#include <omp.h>

#include <exception>
#include <utility>

#include "binding/env_state.h"
#include "binding/values.h"
#include "cpu/cpu_device.h"

namespace neuronode::binding {

namespace {

using Deferred = std::shared_ptr<Napi::Promise::Deferred>;

EnvState::Settle rejection(Deferred deferred, const char* code, std::string message) {
  return [deferred = std::move(deferred), code, message = std::move(message)](Napi::Env env) {
    Napi::HandleScope scope(env);
    deferred->Reject(toJsError(env, code, message).Value());
  };
}

// Runs `work` on the CPU device's thread; `finish` turns what it returned into the promise's value,
// back on the environment's thread. What either throws rejects the promise.
template <typename Work, typename Finish>
Napi::Value inDeviceThread(Napi::Env env, int threads, Work work, Finish finish) {
  using Result = decltype(work());
  auto deferred = std::make_shared<Napi::Promise::Deferred>(env);
  auto job = [deferred, threads, work = std::move(work),
              finish = std::move(finish)]() mutable -> EnvState::Settle {
    try {
      omp_set_num_threads(threads);
      auto result = std::make_shared<Result>(work());
      return [deferred, result, finish = std::move(finish)](Napi::Env env) {
        Napi::HandleScope scope(env);
        try {
          deferred->Resolve(finish(env, std::move(*result)));
        } catch (const Napi::Error& error) {
          deferred->Reject(error.Value());
        }
      };
    } catch (const Error& error) {
      return rejection(deferred, error.code(), error.what());
    } catch (const std::bad_alloc&) {
      return rejection(deferred, errc::kOutOfMemory, "the host is out of memory");
    } catch (const std::exception& error) {
      return rejection(deferred, errc::kNative, error.what());
    }
  };
  if (!EnvState::of(env).post(CpuDevice::instance().queue(), std::move(job))) {
    rejection(deferred, errc::kCancelled, kShuttingDown)(env);
  }
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

ConvAlgorithm parseAlgorithm(const Napi::Value& value) {
  const std::string name = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (name == "auto") return ConvAlgorithm::Auto;
  if (name == "direct") return ConvAlgorithm::Direct;
  if (name == "winograd") return ConvAlgorithm::Winograd;
  throw Error(errc::kArgument, "algorithm must be 'auto', 'direct' or 'winograd'");
}

}  // namespace

HostTensors StagingPool::take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  HostTensors tensors = std::move(free_.back());
  free_.pop_back();
  return tensors;
}

void StagingPool::giveBack(HostTensors tensors) {
  constexpr size_t kMostKept = 2;  // what a caller with two runs in flight needs
  std::lock_guard lock(mutex_);
  if (free_.size() < kMostKept) free_.push_back(std::move(tensors));
}

Napi::Function ProgramObject::define(Napi::Env env) {
  return DefineClass(
      env, "NativeProgram",
      {InstanceMethod<&ProgramObject::run>("run"),
       InstanceMethod<&ProgramObject::profile>("profile"),
       InstanceMethod<&ProgramObject::read>("read"), InstanceMethod<&ProgramObject::write>("write"),
       InstanceMethod<&ProgramObject::plan>("plan"),
       InstanceMethod<&ProgramObject::dispose>("dispose")});
}

Napi::Value ProgramObject::compile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    auto graph = std::make_shared<GraphSpec>(parseGraph(info[0]));
    if (!info[1].IsObject()) throw Error(errc::kArgument, "options must be an object");
    const auto object = info[1].As<Napi::Object>();
    KernelOptions options;
    options.algorithm = parseAlgorithm(object.Get("algorithm"));
    std::shared_ptr<ProgramHandle> share;
    const Napi::Value shareValue = object.Get("share");
    if (!shareValue.IsUndefined()) {
      const auto& constructor = EnvState::of(env).programConstructor;
      if (!shareValue.IsObject() ||
          !shareValue.As<Napi::Object>().InstanceOf(constructor.Value())) {
        throw Error(errc::kArgument, "share must be a compiled program");
      }
      share = Unwrap(shareValue.As<Napi::Object>())->live();
    }
    const auto cancelled = EnvState::of(env).cancelled();
    const int threads = CpuDevice::instance().threads();
    return inDeviceThread(
        env, threads,
        [graph, options, share, threads, cancelled] {
          auto handle = std::make_shared<ProgramHandle>();
          handle->threads = threads;
          handle->program = Program::compile(*graph, CpuDevice::instance().backend(), options,
                                             share ? share->program.get() : nullptr, *cancelled);
          handle->plan = handle->program->plan();
          for (const ValueSpec& value : graph->values) {
            const TensorDesc desc{value.dtype, value.shape, Layout::Plain};
            if (value.kind == ValueKind::Input) handle->inputs[value.name] = desc;
            if (isPersistent(value)) handle->persistent[value.name] = desc;
          }
          return handle;
        },
        [](Napi::Env env, std::shared_ptr<ProgramHandle> handle) -> Napi::Value {
          return EnvState::of(env).programConstructor.New(
              {Napi::External<std::shared_ptr<ProgramHandle>>::New(env, &handle)});
        });
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

// Freeing much memory takes long: that is the device thread's work too.
ProgramObject::~ProgramObject() {
  std::shared_ptr<ProgramHandle> handle = release(Env());
  if (handle) CpuDevice::instance().queue().post([handle = std::move(handle)] {});
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
  return withJsErrors(info.Env(), [&] {
    const std::shared_ptr<ProgramHandle> handle = live();
    return inDeviceThread(
        info.Env(), handle->threads,
        [handle, inputs = parseInputs(*handle, info[0]),
         cancelled = EnvState::of(info.Env()).cancelled()] {
          HostTensors outputs = handle->program->run(*inputs, *cancelled);
          handle->staging.giveBack(std::move(*inputs));
          return outputs;
        },
        [](Napi::Env env, HostTensors outputs) -> Napi::Value {
          Napi::Object object = Napi::Object::New(env);
          for (auto& [name, tensor] : outputs) {
            object.Set(name, toTypedArray(env, std::move(tensor)));
          }
          return object;
        });
  });
}

Napi::Value ProgramObject::profile(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    const double iterations = info[1].IsNumber() ? info[1].As<Napi::Number>().DoubleValue() : 0;
    if (!(iterations >= 1 && iterations <= 10000)) {
      throw Error(errc::kArgument, "iterations must be between 1 and 10000");
    }
    const std::shared_ptr<ProgramHandle> handle = live();
    return inDeviceThread(
        info.Env(), handle->threads,
        [handle, iterations, inputs = parseInputs(*handle, info[0]),
         cancelled = EnvState::of(info.Env()).cancelled()] {
          return handle->program->profile(*inputs, static_cast<int>(iterations), *cancelled);
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
    return inDeviceThread(
        info.Env(), live()->threads,
        [handle = live(), name = stringArgument(info, 0, "name")] {
          return handle->program->read(name);
        },
        [](Napi::Env env, HostTensor tensor) { return toTypedArray(env, std::move(tensor)); });
  });
}

Napi::Value ProgramObject::write(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    const std::string name = stringArgument(info, 0, "name");
    const std::shared_ptr<ProgramHandle> handle = live();
    const auto found = handle->persistent.find(name);
    if (found == handle->persistent.end()) {
      throw Error(errc::kArgument, "the program has no parameter or state '" + name + "'");
    }
    auto tensor = std::make_shared<HostTensor>();
    parseTensor(info[1], name, found->second, Rows::All, *tensor);
    return inDeviceThread(
        info.Env(), handle->threads,
        [handle, name, tensor] {
          handle->program->write(name, *tensor);
          return Nothing{};
        },
        undefined);
  });
}

Napi::Value ProgramObject::plan(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] { return toPlanObject(info.Env(), live()->plan); });
}

// Jobs under way hold the handle too: the memory goes after the last of them, and the promise
// settles then.
Napi::Value ProgramObject::dispose(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    return inDeviceThread(
        info.Env(), 1,
        [handle = release(info.Env())]() mutable {
          handle.reset();
          return Nothing{};
        },
        undefined);
  });
}

}  // namespace neuronode::binding
