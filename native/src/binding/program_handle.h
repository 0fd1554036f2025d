// What a program's JavaScript object and its device's thread share, and the runs under way.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "binding/settle.h"
#include "device.h"
#include "graph/program.h"

namespace neuronode::binding {

// Host memory for the inputs of runs: made and given back on the device's thread, taken on the
// environment's, so that a run copies into pages that are already there.
class StagingPool {
 public:
  // Takes memory for so many runs, two at most, so that the first ones find it too.
  // Throws ERR_NN_OUT_OF_MEMORY.
  void prepare(const std::map<std::string, TensorDesc>& inputs, size_t runs);
  HostTensors take();
  void giveBack(HostTensors tensors);

 private:
  std::mutex mutex_;
  std::vector<HostTensors> free_;
};

// The program itself is touched on the device's thread only, and freed there.
class ProgramHandle : public std::enable_shared_from_this<ProgramHandle> {
 public:
  ProgramHandle(Device& device, int threads) : device(device), threads(threads) {}

  Device& device;
  const int threads;
  std::unique_ptr<Program> program;
  std::map<std::string, TensorDesc> inputs;      // what run() checks against
  std::map<std::string, TensorDesc> persistent;  // what write() checks against
  PlanInfo plan;
  StagingPool staging;

  // On the device's thread. Puts a run on the device; its promise is settled when it is done, which
  // the thread looks after between other jobs. A third run waits for the first of two under way.
  void start(std::shared_ptr<HostTensors> inputs, Deferred deferred,
             std::shared_ptr<EnvState::Completion> completion,
             const std::shared_ptr<const std::atomic<bool>>& cancelled);
  // On the device's thread: waits for all runs under way and settles them.
  void landAll();

 private:
  // A run under way. It keeps its program.
  struct Flight {
    std::shared_ptr<ProgramHandle> handle;
    std::unique_ptr<PendingRun> run;
    Deferred deferred;
    std::shared_ptr<EnvState::Completion> completion;
  };

  // Lets go of the program, if that was its last run, before the environment may go.
  static void land(ProgramHandle& handle);

  std::deque<std::shared_ptr<Flight>> flights_;
};

}  // namespace neuronode::binding
