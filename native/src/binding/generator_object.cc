#include "binding/generator_object.h"

#include <algorithm>
#include <cmath>

#include "binding/settle.h"
#include "binding/values.h"
#include "device_queue.h"

namespace neuronode::binding {

namespace {

// A thread of its own: what else waits in the background may take seconds. Never destroyed, as its
// thread is never joined.
DeviceQueue& drawing() {
  static DeviceQueue* queue = new DeviceQueue();
  return *queue;
}

double number(const Napi::Value& value, const char* what) {
  const double given = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!std::isfinite(given)) {
    throw Error(errc::kArgument, std::string(what) + " must be a finite number");
  }
  return given;
}

bool isArrayOf(const Napi::Value& value, napi_typedarray_type type) {
  return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
}

math::RandomStream parseState(const Napi::CallbackInfo& info) {
  math::RandomStream stream;
  math::Mt19937& generator = stream.bits;
  const double next = number(info[1], "next");
  if (!isArrayOf(info[0], napi_int32_array) ||
      info[0].As<Napi::Int32Array>().ElementLength() != generator.words.size() ||
      !(next >= 0 && next <= generator.words.size()) || !info[2].IsNumber()) {
    throw Error(errc::kArgument,
                "a generator is made of 624 words, the number of the next, and a normal number");
  }
  const auto words = info[0].As<Napi::Int32Array>();
  std::copy_n(words.Data(), generator.words.size(), generator.words.begin());
  generator.next = static_cast<size_t>(next);
  stream.spare = info[2].As<Napi::Number>().DoubleValue();
  return stream;
}

}  // namespace

Napi::Function GeneratorObject::define(Napi::Env env) {
  return DefineClass(env, "Generator",
                     {InstanceMethod<&GeneratorObject::fillUniform>("fillUniform"),
                      InstanceMethod<&GeneratorObject::fillNormal>("fillNormal"),
                      InstanceMethod<&GeneratorObject::fillTruncatedNormal>("fillTruncatedNormal"),
                      InstanceMethod<&GeneratorObject::start>("start"),
                      InstanceMethod<&GeneratorObject::finish>("finish")});
}

GeneratorObject::GeneratorObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<GeneratorObject>(info) {
  draws_ = withJsErrors(info.Env(), [&] { return std::make_shared<Draws>(parseState(info)); });
}

Napi::Value GeneratorObject::fillUniform(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    return ask(info, math::Uniform{number(info[1], "from"), number(info[2], "to")});
  });
}

Napi::Value GeneratorObject::fillNormal(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    return ask(info, math::Normal{number(info[1], "mean"), number(info[2], "std")});
  });
}

Napi::Value GeneratorObject::fillTruncatedNormal(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&] {
    return ask(info, math::TruncatedNormal{number(info[1], "mean"), number(info[2], "std"),
                                           number(info[3], "from"), number(info[4], "to"),
                                           info[5].ToBoolean().Value()});
  });
}

Napi::Value GeneratorObject::ask(const Napi::CallbackInfo& info,
                                 const math::Distribution& distribution) {
  if (!isArrayOf(info[0], napi_float32_array)) {
    throw Error(errc::kArgument, "a generator fills a Float32Array");
  }
  auto out = info[0].As<Napi::Float32Array>();
  const uint64_t asked = draws_->add(out.Data(), out.ElementLength(), distribution);
  arrays_.emplace(asked, Napi::Persistent(out.As<Napi::Object>()));
  return Napi::Number::New(info.Env(), static_cast<double>(asked));
}

Napi::Value GeneratorObject::start(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return withJsErrors(env, [&]() -> Napi::Value {
    const auto deferred = std::make_shared<Napi::Promise::Deferred>(env);
    // The arrays stay until they are filled, and so does this object, which has their references:
    // the other thread may not let go of either.
    Ref();
    postOrReject(env, drawing(), deferred,
                 [this, draws = draws_, asked = draws_->added(), deferred,
                  cancelled = EnvState::of(env).cancelled()] {
                   draws->finish(asked, cancelled.get());
                   return EnvState::Settle([this, asked, deferred](Napi::Env env) {
                     Napi::HandleScope scope(env);
                     arrays_.erase(arrays_.begin(), arrays_.upper_bound(asked));
                     Unref();
                     deferred->Resolve(env.Undefined());
                   });
                 });
    return deferred->Promise();
  });
}

Napi::Value GeneratorObject::finish(const Napi::CallbackInfo& info) {
  return withJsErrors(info.Env(), [&]() -> Napi::Value {
    const double wanted = number(info[0], "number");
    if (!(wanted >= 0 && wanted <= static_cast<double>(draws_->added()))) {
      throw Error(errc::kArgument, "only what was asked for can be finished");
    }
    draws_->finish(static_cast<uint64_t>(wanted));
    return info.Env().Undefined();
  });
}

}  // namespace neuronode::binding
