// makeConvPlanner for the emulation: has a plan where the real cuDNN has one, by the planning
// test's table (plans.txt), asks for the same workspace, and fills it with NaN.
//
// Policy: a problem that the table does not have is answered as the same one of another batch, and
// where there is none by what the table shows: f32 weight gradients of bf16 operands are refused,
// and so is ReLU without a bias. Pointers must be aligned to 16 bytes, which the real engines
// demand.
#include "conv_planner.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>

#include "convolve.h"
#include "core.h"
#include "error.h"
#include "status.h"

namespace neuronode::cuda {

namespace emulation {

namespace {

constexpr size_t kUsualWorkspace = 131;

// Workspace, or none where the library has no plan.
using Answer = std::optional<size_t>;

// The name without the number of images.
std::string withoutBatch(std::string name) {
  for (const char* tensor : {" x", " y"}) {
    const size_t at = name.find(tensor) + 2;
    name.erase(at, name.find('x', at) - at);
  }
  return name;
}

class PlanTable {
 public:
  PlanTable() {
    std::ifstream file(NN_CONVOLUTION_PLANS);
    for (std::string line; std::getline(file, line);) add(line);
    if (exact_.empty()) {
      throw std::runtime_error(std::string("no table of plans in ") + NN_CONVOLUTION_PLANS);
    }
  }

  Answer find(const ConvProblem& problem, bool deterministic) const {
    const std::string name = problemName(problem);
    if (deterministic) {
      const auto found = exact_.find(name + " deterministic");
      if (found != exact_.end()) return found->second;
    }
    if (const auto found = exact_.find(name); found != exact_.end()) return found->second;
    const auto found = anyBatch_.find(withoutBatch(name));
    if (found != anyBatch_.end()) return found->second;
    if (problem.relu && !problem.bias) return std::nullopt;
    if (problem.kind == ConvKind::WeightGrad && problem.x != problem.filter) return std::nullopt;
    return kUsualWorkspace;
  }

 private:
  // "name = plan engine workspace" or "name = refused..."; other lines are remarks.
  void add(const std::string& line) {
    const size_t equals = line.find(" = ");
    if (line.starts_with("#") || equals == std::string::npos) return;
    const std::string name = line.substr(0, equals), answer = line.substr(equals + 3);
    Answer workspace;
    if (answer.starts_with("plan ")) workspace = std::stoull(answer.substr(answer.rfind(' ')));
    exact_[name] = workspace;
    anyBatch_.emplace(withoutBatch(name), workspace);
  }

  std::map<std::string, Answer> exact_, anyBatch_;
};

const PlanTable& planTable() {
  static const PlanTable table;
  return table;
}

std::function<bool(const ConvProblem&)> refusalByEnvironment() {
  const char* value = std::getenv("NEURONODE_EMULATED_PLANS");
  const std::string wanted = value ? value : "all";
  if (wanted == "all") return nullptr;
  if (wanted == "none") return [](const ConvProblem&) { return true; };
  if (wanted == "unfused") return [](const ConvProblem& p) { return p.bias || p.relu; };
  throw std::invalid_argument("NEURONODE_EMULATED_PLANS must be all, unfused or none, not " +
                              wanted);
}

struct Planning {
  std::function<bool(const ConvProblem&)> refused = refusalByEnvironment(), granted;
};
// With the emulation's lock held.
Planning& planning() {
  static Planning all;
  return all;
}

void requireAligned(const void* pointer, const char* what) {
  if (reinterpret_cast<uintptr_t>(pointer) % 16 == 0) return;
  throw DeviceFault(cudaErrorMisalignedAddress, std::string(what) + " is not aligned");
}

void requireTensor(const void* pointer, Storage storage, int64_t count, const char* what) {
  requireAligned(pointer, what);
  requireDevice(pointer, static_cast<size_t>(count) * storageSize(storage), what);
}

// As the real graph's validation: what the input's extents do not give is no problem at all.
void requireExtents(const ConvProblem& p) {
  const auto extent = [](int64_t in, int64_t kernel, int64_t pad, int64_t dilation,
                         int64_t stride) {
    return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
  };
  if (p.oh == extent(p.h, p.r, p.padH, p.dilationH, p.strideH) &&
      p.ow == extent(p.w, p.s, p.padW, p.dilationW, p.strideW) && p.c % p.groups == 0 &&
      p.k % p.groups == 0) {
    return;
  }
  throw Error(errc::kNative, "validate " + problemName(p) + ": the extents do not go together");
}

class EmulatedPlan : public ConvPlan {
 public:
  EmulatedPlan(cudaStream_t stream, const ConvProblem& problem, size_t workspace, bool certain)
      : stream_(stream), problem_(problem) {
    name = "emulated cudnn";
    workspaceBytes = workspace;
    deterministic = certain;
  }

  void run(const ConvPointers& pointers, void* workspace) override {
    const auto work = [p = problem_, pointers, workspace, bytes = workspaceBytes] {
      requireTensor(pointers.x, p.x, xCount(p), "a convolution's x");
      requireTensor(pointers.filter, p.filter, filterCount(p), "a convolution's filter");
      requireTensor(pointers.y, p.y, yCount(p), "a convolution's y");
      if (p.bias) requireTensor(pointers.bias, p.y, p.k, "a convolution's bias");
      if (bytes > 0) requireAligned(workspace, "a convolution's workspace");
      scribble(workspace, bytes);
      convolve(p, pointers);
    };
    checkCuda(enqueue(stream_, "cudnnBackendExecute", work), "cudnnBackendExecute");
  }

 private:
  cudaStream_t stream_;
  ConvProblem problem_;
};

class EmulatedPlanner : public ConvPlanner {
 public:
  explicit EmulatedPlanner(cudaStream_t stream) : stream_(stream) {
    planTable();
    checkCuda(api("cudnnCreate", kWaits | kAllocates, [] { return cudaSuccess; }), "cudnnCreate");
  }

  std::shared_ptr<ConvPlan> plan(const ConvProblem& problem, const PlanLimits& limits) override {
    requireExtents(problem);
    std::shared_ptr<ConvPlan> plan;
    const auto ask = [&] {
      Answer workspace = planTable().find(problem, limits.deterministic);
      if (planning().granted && planning().granted(problem)) workspace = kUsualWorkspace;
      const bool refused = !workspace || *workspace > limits.workspaceBytes ||
                           (planning().refused && planning().refused(problem));
      if (refused) return cudaSuccess;
      plan = std::make_shared<EmulatedPlan>(stream_, problem, *workspace, limits.deterministic);
      return cudaSuccess;
    };
    checkCuda(api("cudnnBackendFinalize", kWaits, ask), "cudnnBackendFinalize");
    return plan;
  }

  std::string version() const override { return "cuDNN, emulated"; }

 private:
  cudaStream_t stream_;
};

}  // namespace

void refusePlans(std::function<bool(const ConvProblem&)> refused) {
  const std::lock_guard lock(state().mutex);
  planning().refused = std::move(refused);
}

void grantPlans(std::function<bool(const ConvProblem&)> granted) {
  const std::lock_guard lock(state().mutex);
  planning().granted = std::move(granted);
}

}  // namespace emulation

std::unique_ptr<ConvPlanner> makeConvPlanner(cudaStream_t stream) {
  return std::make_unique<emulation::EmulatedPlanner>(stream);
}

}  // namespace neuronode::cuda
