// What the backend asks of a convolution library: a plan for one problem, or the answer that there
// is none. cuDNN's implementation is in cudnn_planner.cc; tests bring an emulation of it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "backend.h"
#include "layouts.h"

namespace neuronode::cuda {

enum class ConvKind : uint8_t { Forward, InputGrad, WeightGrad };

// x: [n, h, w, c], filter: [k, r, s, c/groups], y: [n, oh, ow, k], all channels-last.
struct ConvProblem {
  ConvKind kind = ConvKind::Forward;
  int64_t n = 0, c = 0, h = 0, w = 0;
  int64_t k = 0, r = 0, s = 0;
  int64_t oh = 0, ow = 0;
  int64_t padH = 0, padW = 0, strideH = 1, strideW = 1, dilationH = 1, dilationW = 1;
  int64_t groups = 1;
  Storage x = Storage::F32, filter = Storage::F32, y = Storage::F32;
  Precision precision = Precision::F32;
  bool bias = false;  // Forward: [k], stored as y is
  bool relu = false;  // Forward: after the bias

  bool operator==(const ConvProblem&) const = default;
};

// Every member, in words and numbers: the plan cache's key, and what messages and tables name.
std::string problemName(const ConvProblem& problem);

struct PlanLimits {
  size_t workspaceBytes = size_t{256} << 20;
  bool deterministic = false;
  bool autotune = false;
};

// Device pointers. Forward: x, filter, bias -> y. InputGrad: y, filter -> x. WeightGrad: x, y ->
// filter. The result is overwritten.
struct ConvPointers {
  void* x = nullptr;
  void* filter = nullptr;
  void* bias = nullptr;
  void* y = nullptr;
};

class ConvPlan {
 public:
  virtual ~ConvPlan() = default;
  // Puts the work on the planner's stream.
  virtual void run(const ConvPointers& pointers, void* workspace) = 0;

  std::string name;
  size_t workspaceBytes = 0;
  bool deterministic = false;  // known to be: asked for
};

class ConvPlanner {
 public:
  virtual ~ConvPlanner() = default;
  // Null where the library has no plan for the problem within the limits.
  virtual std::shared_ptr<ConvPlan> plan(const ConvProblem& problem, const PlanLimits& limits) = 0;
  // Such as "cuDNN 9.24.0".
  virtual std::string version() const = 0;
};

// The one for `stream`, which it puts all work on. Throws ERR_NN_NATIVE with the library's words.
std::unique_ptr<ConvPlanner> makeConvPlanner(cudaStream_t stream);

}  // namespace neuronode::cuda
