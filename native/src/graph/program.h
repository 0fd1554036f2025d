// A compiled graph: kernels chosen, layouts agreed, memory placed. Everything here runs on the
// device's own thread, one call at a time; all memory is taken by compile() and freed with the
// last program that shares it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "graph/input_rules.h"

namespace neuronode {

// One input of a run, in plain layout: the whole of the declared shape, already padded.
struct HostTensor {
  DType dtype = DType::F32;
  Shape shape;
  std::vector<std::byte> bytes;
};

using HostTensors = std::map<std::string, HostTensor>;

struct PlanStep {
  std::string node;  // the module's path
  std::string op;
  Phase phase;
  std::string kernel;
};

struct PlanInfo {
  size_t arenaBytes = 0;       // activations, gradients, reordered copies and the workspace
  size_t workspaceBytes = 0;   // the part of the arena that kernels use one after the other
  size_t persistentBytes = 0;  // parameters, their rounded copies, state; shared ones included
  size_t ownedBytes = 0;       // arena plus the persistent memory that this program took itself
  std::vector<PlanStep> steps;
};

void checkCancelled(const std::atomic<bool>& cancel);

class Program {
 public:
  // `share`: parameters and state of the same name use that program's memory.
  // Here and below: throws ERR_NN_CANCELLED between kernels once `cancel` is set.
  static std::unique_ptr<Program> compile(const GraphSpec& graph, Backend& backend,
                                          const KernelOptions& options, const Program* share,
                                          const std::atomic<bool>& cancel);

  // Puts a run on the device. Inputs by name; all must be there, and are free for reuse on return.
  // Of an asynchronous backend two runs may be under way at a time. What it throws leaves nothing
  // under way that it began.
  std::unique_ptr<PendingRun> start(const HostTensors& inputs, const std::atomic<bool>& cancel);
  // Waits for what start() began, and ends it: its outputs by name.
  HostTensors finish(std::unique_ptr<PendingRun> run);
  // Both.
  HostTensors run(const HostTensors& inputs, const std::atomic<bool>& cancel) {
    return finish(start(inputs, cancel));
  }
  // Median milliseconds of each step over `iterations` runs. Parameters are put back afterwards.
  std::vector<double> profile(const HostTensors& inputs, int iterations,
                              const std::atomic<bool>& cancel);

  // Parameters and state in plain layout; the bytes that read() returns.
  size_t hostBytes(const std::string& name);
  HostTensor read(const std::string& name);
  void write(const std::string& name, const HostTensor& value);

  const PlanInfo& plan() const { return plan_; }

 private:
  friend class Compiler;

  // Pointers into the arena, or, for parameters and state, into memory that other programs may
  // share. They are fixed once compiled.
  struct Step {
    std::unique_ptr<Kernel> kernel;
    std::vector<void*> inputs;
    std::vector<void*> outputs;
  };
  // A tensor, or a copy of one in another layout.
  struct Copy {
    TensorDesc desc;
    void* data = nullptr;
  };
  struct Persistent {
    Copy main;
    std::vector<Copy> shadows;  // rounded copies, true between runs
    std::shared_ptr<Buffer> memory;
  };

  explicit Program(Backend& backend) : backend_(backend) {}
  // In the order of inputs_.
  std::vector<const void*> checkInputs(const HostTensors& inputs) const;
  void runStep(const Step& step);
  // Runs the constants anew where a parameter may have changed since.
  void refreshConstants(const std::atomic<bool>& cancel);
  // Parameters or state are no longer what they were.
  void noteChange() { ++*changes_; }
  Persistent& persistent(const std::string& name);
  struct Saved {
    void* data;
    std::vector<std::byte> bytes;
  };
  std::vector<Saved> savePersistent();

  Backend& backend_;
  std::vector<Step> constants_;  // what reads nothing but parameters, where nothing updates any
  std::vector<Step> steps_;
  bool updates_ = false;  // whether steps update parameters or state
  // Counts the changes of parameters and state by all programs that share some. One thread puts
  // both changes and constants on the device, so that constants see all changes counted before
  // them.
  std::shared_ptr<uint64_t> changes_ = std::make_shared<uint64_t>(1);
  uint64_t constantsOf_ = 0;             // the count at which the constants were computed
  std::map<std::string, Copy> inputs_;   // plain layout
  std::map<std::string, Copy> outputs_;  // plain layout
  InputRules rules_;
  std::map<std::string, Persistent> persistent_;
  std::unique_ptr<Buffer> arena_;
  void* workspace_ = nullptr;
  std::unique_ptr<Executor> executor_;
  PlanInfo plan_;
};

}  // namespace neuronode
