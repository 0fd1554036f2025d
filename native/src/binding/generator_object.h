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

  // new Generator(words: Int32Array of 624, next: number, spare: number): MT19937 from that state
  // on, with the normal number that is left over of two, or NaN.
  explicit GeneratorObject(const Napi::CallbackInfo& info);

 private:
  // Each gives the number of the request, from 1. Nobody may touch `out`, or transfer its buffer,
  // until it is filled, which start() or finish() sees to.
  // fillUniform(out: Float32Array, from, to)
  Napi::Value fillUniform(const Napi::CallbackInfo& info);
  // fillNormal(out: Float32Array, mean, std)
  Napi::Value fillNormal(const Napi::CallbackInfo& info);
  // fillTruncatedNormal(out: Float32Array, mean, std, from, to, byNormals: boolean)
  Napi::Value fillTruncatedNormal(const Napi::CallbackInfo& info);
  // start(): Promise<void>, settled when all that was asked for is filled, by another thread.
  Napi::Value start(const Napi::CallbackInfo& info);
  // finish(number): fills what was asked for up to a request, and is not filled yet, here.
  Napi::Value finish(const Napi::CallbackInfo& info);

  Napi::Value ask(const Napi::CallbackInfo& info, const math::Distribution& distribution);

  std::shared_ptr<Draws> draws_;
  std::map<uint64_t, Napi::ObjectReference> arrays_;  // that may not be filled yet, by number
};

}  // namespace neuronode::binding
