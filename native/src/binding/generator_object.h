// The JavaScript object of a random number generator that fills arrays in the background.
#pragma once

#include <napi.h>

#include <cstdint>
#include <map>
#include <memory>

#include "binding/draws.h"

namespace neuronode::binding {

class GeneratorObject : public Napi::ObjectWrap<GeneratorObject> {
 public:
  static Napi::Function define(Napi::Env env);

  // new Generator(words: Int32Array of 624, next: number): MT19937 from that state on.
  explicit GeneratorObject(const Napi::CallbackInfo& info);

 private:
  // fillUniform(out: Float32Array, from, to): Promise<void>. Nobody may touch `out`, or transfer
  // its buffer, until the promise is settled or finish() has returned.
  Napi::Value fillUniform(const Napi::CallbackInfo& info);
  // finish(number): fills the arrays of the first `number` calls of fillUniform that are not yet.
  Napi::Value finish(const Napi::CallbackInfo& info);

  std::shared_ptr<Draws> draws_;
  std::map<uint64_t, Napi::ObjectReference> arrays_;  // that are being filled, by number
};

}  // namespace neuronode::binding
