// ConvPlanner by cuDNN: plans kept in memory and on disk, and autotuning.
#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "convolution/cudnn_graph.h"
#include "convolution/cudnn_status.h"
#include "convolution/plan_store.h"
#include "error.h"
#include "handles.h"
#include "status.h"

namespace neuronode::cuda {

namespace {

class CudnnPlan : public ConvPlan {
 public:
  // The handle is the planner's, which outlives its plans.
  CudnnPlan(std::unique_ptr<CudnnGraph> graph, cudnnHandle_t handle, const std::string& engine)
      : graph_(std::move(graph)), handle_(handle) {
    name = "cudnn " + engine;
    workspaceBytes = graph_->workspaceBytes();
  }

  void run(const ConvPointers& pointers, void* workspace) override {
    graph_->execute(handle_, pointers, workspace);
  }

 private:
  std::unique_ptr<CudnnGraph> graph_;
  cudnnHandle_t handle_;
};

// The device that this thread works for, as far as a plan depends on it.
std::string deviceKey() {
  int device = 0;
  NN_CHECK_CUDA(cudaGetDevice(&device));
  cudaDeviceProp properties;
  NN_CHECK_CUDA(cudaGetDeviceProperties(&properties, device));
  return std::string(properties.name) + " sm_" + std::to_string(properties.major) +
         std::to_string(properties.minor) + " x" + std::to_string(properties.multiProcessorCount);
}

size_t tensorBytes(Storage storage, int64_t count) {
  return static_cast<size_t>(count) * storageSize(storage);
}

// Times the plans of one graph on memory of the problem's sizes.
class Autotuner {
 public:
  Autotuner(const ConvProblem& p, cudnnHandle_t handle, cudaStream_t stream)
      : handle_(handle),
        stream_(stream),
        x_(zeroes(tensorBytes(p.x, p.n * p.c * p.h * p.w))),
        filter_(zeroes(tensorBytes(p.filter, p.k * (p.c / p.groups) * p.r * p.s))),
        bias_(zeroes(tensorBytes(p.y, p.k))),
        y_(zeroes(tensorBytes(p.y, p.n * p.k * p.oh * p.ow))),
        start_(makeTimingEvent()),
        end_(makeTimingEvent()) {}

  int64_t fastest(CudnnGraph& graph, const std::vector<int64_t>& places) {
    int64_t best = places.front();
    float bestTime = std::numeric_limits<float>::infinity();
    for (int64_t place : places) {
      graph.use(place);
      const float time = medianTime(graph);
      if (time < bestTime) best = place, bestTime = time;
    }
    return best;
  }

 private:
  DeviceMemory zeroes(size_t bytes) const {
    DeviceMemory memory = makeDeviceMemory(bytes);
    NN_CHECK_CUDA(cudaMemsetAsync(memory.get(), 0, bytes, stream_));
    return memory;
  }

  // In milliseconds.
  float medianTime(const CudnnGraph& graph) const {
    const DeviceMemory workspace = makeDeviceMemory(std::max<size_t>(graph.workspaceBytes(), 1));
    const ConvPointers pointers{x_.get(), filter_.get(), bias_.get(), y_.get()};
    graph.execute(handle_, pointers, workspace.get());  // warms up
    std::array<float, 5> times;
    for (float& time : times) {
      NN_CHECK_CUDA(cudaEventRecord(start_.get(), stream_));
      graph.execute(handle_, pointers, workspace.get());
      NN_CHECK_CUDA(cudaEventRecord(end_.get(), stream_));
      NN_CHECK_CUDA(cudaEventSynchronize(end_.get()));
      NN_CHECK_CUDA(cudaEventElapsedTime(&time, start_.get(), end_.get()));
    }
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }

  cudnnHandle_t handle_;
  cudaStream_t stream_;
  DeviceMemory x_, filter_, bias_, y_;
  Event start_, end_;
};

class CudnnPlanner : public ConvPlanner {
 public:
  explicit CudnnPlanner(cudaStream_t stream)
      : stream_(stream),
        handle_(makeCudnnHandle(stream)),
        surroundings_(cudnnVersionText() + " | " + deviceKey()),
        store_(PlanStore::defaultFolder()) {}

  std::shared_ptr<ConvPlan> plan(const ConvProblem& problem, const PlanLimits& limits) override {
    const std::string key = keyOf(problem, limits);
    auto found = plans_.find(key);
    if (found == plans_.end()) found = plans_.emplace(key, make(problem, limits, key)).first;
    return found->second;
  }

  std::string version() const override { return cudnnVersionText(); }

 private:
  std::string keyOf(const ConvProblem& problem, const PlanLimits& limits) const {
    return problemName(problem) + " | workspace " + std::to_string(limits.workspaceBytes) +
           (limits.deterministic ? " deterministic" : "") + (limits.autotune ? " autotuned" : "") +
           " | " + surroundings_;
  }

  std::shared_ptr<ConvPlan> make(const ConvProblem& problem, const PlanLimits& limits,
                                 const std::string& key) {
    if (const std::optional<StoredPlan> stored = store_.read(key)) {
      auto graph = CudnnGraph::load(problem, handle_.get(), stored->data);
      if (graph && graph->workspaceBytes() <= limits.workspaceBytes) {
        return wrap(std::move(graph), stored->engine, limits);
      }
    }
    auto graph = CudnnGraph::build(problem, limits, CudnnTarget{handle_.get(), "", 0}, nullptr);
    if (!graph) {
      checkDeviceLives("planning a convolution");
      return nullptr;
    }
    if (limits.autotune) autotune(problem, *graph);
    const std::string engine = graph->engine();
    if (std::vector<uint8_t> data = graph->serialized(); !data.empty()) {
      store_.write(key, {engine, std::move(data)});
    }
    return wrap(std::move(graph), engine, limits);
  }

  // Where there is no room for trying, or a plan does not run, the library's own first choice
  // stays.
  void autotune(const ConvProblem& problem, CudnnGraph& graph) {
    const std::vector<int64_t> places = graph.buildAll();
    int64_t best = places.front();
    try {
      best = Autotuner(problem, handle_.get(), stream_).fastest(graph, places);
    } catch (const Error& error) {
      if (error.code() == std::string_view(errc::kDeviceFailed)) throw;
    }
    graph.use(best);
  }

  std::shared_ptr<ConvPlan> wrap(std::unique_ptr<CudnnGraph> graph, const std::string& engine,
                                 const PlanLimits& limits) const {
    auto plan = std::make_shared<CudnnPlan>(std::move(graph), handle_.get(), engine);
    plan->deterministic = limits.deterministic;
    return plan;
  }

  cudaStream_t stream_;
  CudnnHandle handle_;
  std::string surroundings_;  // the library and the device, in words
  PlanStore store_;
  // By key; null where the library has none.
  std::map<std::string, std::shared_ptr<ConvPlan>> plans_;
};

}  // namespace

std::unique_ptr<ConvPlanner> makeConvPlanner(cudaStream_t stream) {
  return std::make_unique<CudnnPlanner>(stream);
}

}  // namespace neuronode::cuda
