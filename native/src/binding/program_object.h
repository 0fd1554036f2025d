// The JavaScript object of a compiled program, and `compile`, which makes it.
#pragma once

#include <napi.h>

#include <memory>

#include "graph/program.h"

namespace neuronode::binding {

// What the device's thread and the JavaScript object share. The program itself is touched on the
// device's thread only.
struct ProgramHandle {
  std::unique_ptr<Program> program;
  int threads = 1;
  std::map<std::string, TensorDesc> inputs;      // what run() checks against
  std::map<std::string, TensorDesc> persistent;  // what write() checks against
  PlanInfo plan;
};

class ProgramObject : public Napi::ObjectWrap<ProgramObject> {
 public:
  static Napi::Function define(Napi::Env env);
  // compile(graph, { algorithm, share }): Promise<program>
  static Napi::Value compile(const Napi::CallbackInfo& info);

  // Called by compile() alone, with an External of a shared_ptr<ProgramHandle>.
  explicit ProgramObject(const Napi::CallbackInfo& info);
  ~ProgramObject() override;

 private:
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value plan(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  std::map<std::string, HostTensor> parseInputs(const Napi::Value& value) const;
  // Throws ERR_NN_DISPOSED after dispose().
  const std::shared_ptr<ProgramHandle>& live() const;
  void release(Napi::Env env);

  std::shared_ptr<ProgramHandle> handle_;
  int64_t reportedBytes_ = 0;  // what V8 was told that this object holds
};

}  // namespace neuronode::binding
