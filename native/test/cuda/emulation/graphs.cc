// Stream capture and graphs.
#include <utility>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

void leaveCapture(const std::shared_ptr<Capture>& capture) {
  capture->ended = true;
  for (StreamObject* member : capture->members) {
    member->capture.reset();
    member->frontier.clear();
  }
  capture->members.clear();
  state().captures.erase(capture);
}

// Whether all that other streams captured comes before what the origin captured last.
bool isJoined(const Capture& capture, const StreamObject& origin) {
  const std::vector<GraphNode>& nodes = capture.graph->nodes;
  std::vector<bool> reached(nodes.size());
  std::vector<int> open = origin.frontier;
  while (!open.empty()) {
    const int node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    open.insert(open.end(), nodes[node].after.begin(), nodes[node].after.end());
  }
  for (const StreamObject* member : capture.members) {
    for (const int node : member->frontier) {
      if (!reached[node]) return false;
    }
  }
  return true;
}

cudaError_t endCapture(cudaStream_t handle, cudaGraph_t* graph) {
  if (!graph) return cudaErrorInvalidValue;
  *graph = nullptr;
  cudaError_t status = cudaSuccess;
  StreamObject* stream = findStream(handle, status);
  if (!stream) return status;
  const std::shared_ptr<Capture> capture = stream->capture;
  if (!capture) return cudaErrorIllegalState;
  if (capture->origin != handle) {
    capture->invalid = true;
    return cudaErrorStreamCaptureUnmatched;
  }
  if (capture->mode != cudaStreamCaptureModeRelaxed &&
      capture->thread != std::this_thread::get_id()) {
    return cudaErrorStreamCaptureWrongThread;
  }
  if (capture->invalid) {
    status = cudaErrorStreamCaptureInvalidated;
  } else if (!isJoined(*capture, *stream)) {
    status = cudaErrorStreamCaptureUnjoined;
  } else {
    std::vector<GraphNode>& nodes = capture->graph->nodes;
    for (size_t i = 0; i < nodes.size(); ++i) {
      for (const int before : nodes[i].after) nodes[before].before.push_back(static_cast<int>(i));
    }
    *graph = newHandleOf<cudaGraph_t>();
    state().graphs[*graph] = capture->graph;
  }
  leaveCapture(capture);
  return status;
}

cudaError_t instantiate(cudaGraphExec_t* exec, cudaGraph_t graph) {
  if (!exec) return cudaErrorInvalidValue;
  *exec = nullptr;
  const auto found = state().graphs.find(graph);
  if (found == state().graphs.end()) {
    return refuse(cudaErrorInvalidValue, "what is no graph was instantiated");
  }
  *exec = newHandleOf<cudaGraphExec_t>();
  auto made = std::make_shared<ExecObject>();
  made->graph = found->second;
  state().execs[*exec] = std::move(made);
  return cudaSuccess;
}

ExecObject* findExec(cudaGraphExec_t exec, cudaError_t& status) {
  const auto found = state().execs.find(exec);
  if (found == state().execs.end()) {
    status = refuse(cudaErrorInvalidValue, "an executable graph that is not there was used");
    return nullptr;
  }
  if (found->second->graph->device != currentDevice()) {
    status = refuse(cudaErrorInvalidValue, "a graph of another device was launched");
    return nullptr;
  }
  return found->second.get();
}

}  // namespace

bool isCapturing() {
  for (const auto& capture : state().captures) {
    if (capture->mode == cudaStreamCaptureModeGlobal) return true;
    if (capture->mode == cudaStreamCaptureModeThreadLocal &&
        capture->thread == std::this_thread::get_id()) {
      return true;
    }
  }
  return false;
}

void invalidateCaptures() {
  for (const auto& capture : state().captures) {
    if (capture->mode == cudaStreamCaptureModeGlobal ||
        capture->thread == std::this_thread::get_id()) {
      capture->invalid = true;
    }
  }
}

}  // namespace neuronode::cuda::emulation

using namespace neuronode::cuda::emulation;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return api("cudaStreamBeginCapture", kPlain, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    if (found->capture) {
      found->capture->invalid = true;
      return cudaErrorIllegalState;
    }
    auto capture = std::make_shared<Capture>();
    capture->origin = stream;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->graph = std::make_shared<GraphObject>();
    capture->graph->device = found->device;
    capture->members.insert(found);
    found->capture = capture;
    found->frontier.clear();
    state().captures.insert(capture);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(state().mutex);
  const cudaError_t failure = enter("cudaStreamEndCapture", kReleases);
  if (failure == cudaSuccess) return leave(endCapture(stream, graph));
  // The capture is over all the same, and there is no graph of it.
  endCapture(stream, graph);
  if (graph) state().graphs.erase(std::exchange(*graph, nullptr));
  return leave(failure);
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* result) {
  return api("cudaStreamIsCapturing", kPlain, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    *result = !found->capture           ? cudaStreamCaptureStatusNone
              : found->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                        : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return api("cudaGraphInstantiate", kWaits | kAllocates, [&] { return instantiate(exec, graph); });
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* exec, cudaGraph_t graph,
                                          unsigned long long) {
  return api("cudaGraphInstantiateWithFlags", kWaits | kAllocates,
             [&] { return instantiate(exec, graph); });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return api("cudaGraphUpload", kPlain, [&] {
    cudaError_t status = cudaSuccess;
    if (findExec(exec, status)) findStream(stream, status);
    return status;
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return api("cudaGraphLaunch", kPlain, [&] {
    cudaError_t status = cudaSuccess;
    ExecObject* found = findExec(exec, status);
    StreamObject* on = found ? findStream(stream, status) : nullptr;
    if (!on) return status;
    if (on->capture) {
      on->capture->invalid = true;
      return refuse(cudaErrorStreamCaptureUnsupported, "a graph was launched while capturing");
    }
    // Launches of one executable graph follow each other, whatever their streams.
    auto record = std::make_shared<Record>();
    on->queue.push_back({"graph", nullptr, std::exchange(found->lastLaunch, record), record,
                         std::make_shared<GraphRun>(found->graph)});
    return cudaSuccess;
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  return api("cudaGraphExecDestroy", kReleases, [&] {
    return state().execs.erase(exec) > 0
               ? cudaSuccess
               : refuse(cudaErrorInvalidValue, "a graph that is not there was destroyed");
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  return api("cudaGraphDestroy", kReleases, [&] {
    return state().graphs.erase(graph) > 0
               ? cudaSuccess
               : refuse(cudaErrorInvalidValue, "a graph that is not there was destroyed");
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return api("cudaGraphGetNodes", kPlain, [&] {
    const auto found = state().graphs.find(graph);
    if (found == state().graphs.end() || nodes) return cudaErrorInvalidValue;
    *count = found->second->nodes.size();
    return cudaSuccess;
  });
}
