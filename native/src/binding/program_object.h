// The JavaScript object of a compiled program, and `compile`, which makes it.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <vector>

#include "graph/program.h"

namespace neuronode::binding {

// Host memory for the inputs of runs: taken on the environment's thread, given back on the
// device's, so that a run copies into pages that are already there.
class StagingPool {
 public:
  HostTensors take();
  void giveBack(HostTensors tensors);

 private:
  std::mutex mutex_;
  std::vector<HostTensors> free_;
};

// What the device's thread and the JavaScript object share. The program itself is touched on the
// device's thread only, and freed there.
struct ProgramHandle {
  std::unique_ptr<Program> program;
  int threads = 1;
  std::map<std::string, TensorDesc> inputs;      // what run() checks against
  std::map<std::string, TensorDesc> persistent;  // what write() checks against
  PlanInfo plan;
  StagingPool staging;
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

  // Throws ERR_NN_DISPOSED after dispose().
  std::shared_ptr<ProgramHandle> live() const;
  std::shared_ptr<ProgramHandle> release(Napi::Env env);

  std::shared_ptr<ProgramHandle> handle_;
  int64_t reportedBytes_ = 0;  // what V8 was told that this object holds
};

}  // namespace neuronode::binding
