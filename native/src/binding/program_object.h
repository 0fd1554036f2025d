// The JavaScript object of a compiled program, and `compile`, which makes it.
#pragma once

#include <napi.h>

#include <memory>

#include "binding/program_handle.h"

namespace neuronode::binding {

class ProgramObject : public Napi::ObjectWrap<ProgramObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // compile(graph, { share, ...CompileOptions }): Promise<program>
  static Napi::Value compile(const Napi::CallbackInfo& info);

  // Called by compile() alone, with an External of a shared_ptr<ProgramHandle>.
  explicit ProgramObject(const Napi::CallbackInfo& info);
  ~ProgramObject() override;

 private:
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  // write(name, array): Promise<void>, with a copy of the array.
  Napi::Value write(const Napi::CallbackInfo& info);
  // stage(name): Promise<staged>, memory for a large array, and writeStaged(name, staged).
  Napi::Value stage(const Napi::CallbackInfo& info);
  Napi::Value writeStaged(const Napi::CallbackInfo& info);
  Napi::Value plan(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  // Throws ERR_NN_DISPOSED after dispose().
  std::shared_ptr<ProgramHandle> live() const;
  std::shared_ptr<ProgramHandle> release(Napi::Env env);

  std::shared_ptr<ProgramHandle> handle_;
  int64_t reportedBytes_ = 0;  // what V8 was told that this object holds
};

}  // namespace neuronode::binding
