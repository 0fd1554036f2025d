// One convolution as a cuDNN operation graph, and the execution plan chosen for it. The only thing
// of cudnn-frontend that the rest sees; cudnn_graph.cc alone includes its headers, which are slow
// to compile.
//
// Policy: compute and reductions are f32. Strict f32 leaves out engines on tensor cores, which
// round their operands. Engines that convert their inputs down are never taken.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "convolution/plan.h"

namespace neuronode::cuda {

// What to plan for: a device with a handle, or the description of one that is not there.
struct CudnnTarget {
  cudnnHandle_t handle = nullptr;
  std::string deviceProperties;  // JSON in cuDNN's own terms; empty with a handle
  int smVersion = 0;             // such as 90; 0 with a handle
};

// Why there is no plan.
struct CudnnRefusal {
  std::string words;
  // Engines that are compiled at run time might have served, but want the driver's library, which
  // is not there: nobody can say.
  bool runtimeCompiled = false;
};

class CudnnGraph {
 public:
  // What the graph's tensors are called in the library.
  enum Uid : int64_t { kX = 1, kFilter, kBias, kY };

  // Null where no engine serves the problem within the limits.
  static std::unique_ptr<CudnnGraph> build(const ConvProblem& problem, const PlanLimits& limits,
                                           const CudnnTarget& target, CudnnRefusal* refusal);
  // From what serialized() gave; null where the library cannot use it.
  static std::unique_ptr<CudnnGraph> load(const ConvProblem& problem, cudnnHandle_t handle,
                                          const std::vector<uint8_t>& serialized);
  ~CudnnGraph();

  // The plan in use.
  std::string engine() const;
  size_t workspaceBytes() const;
  // Empty where the library cannot say its plan in words.
  std::vector<uint8_t> serialized() const;
  // Throws what the library says.
  void execute(cudnnHandle_t handle, const ConvPointers& pointers, void* workspace) const;

  // Builds whatever else is supported: the places of all plans that built, for use(), the library's
  // first choice first. Leaves any of them in use. Not after load().
  std::vector<int64_t> buildAll();
  void use(int64_t place);

 private:
  struct State;
  explicit CudnnGraph(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace neuronode::cuda
