// Streams and events.
#include <algorithm>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

bool isDefault(cudaStream_t stream) {
  return stream == nullptr || stream == cudaStreamLegacy || stream == cudaStreamPerThread;
}

cudaError_t deviceError() { return state().devices[currentDevice()].sticky; }

cudaError_t createStream(cudaStream_t* stream, unsigned flags) {
  if (!stream || flags > cudaStreamNonBlocking) return cudaErrorInvalidValue;
  auto made = std::make_shared<StreamObject>();
  made->device = currentDevice();
  made->nonBlocking = flags == cudaStreamNonBlocking;
  *stream = newHandleOf<cudaStream_t>();
  state().streams[*stream] = std::move(made);
  return cudaSuccess;
}

cudaError_t createEvent(cudaEvent_t* event, unsigned flags) {
  if (!event) return cudaErrorInvalidValue;
  auto made = std::make_shared<EventObject>();
  made->device = currentDevice();
  made->timing = !(flags & cudaEventDisableTiming);
  *event = newHandleOf<cudaEvent_t>();
  state().events[*event] = std::move(made);
  return cudaSuccess;
}

cudaError_t record(cudaEvent_t handle, cudaStream_t streamHandle) {
  cudaError_t status = cudaSuccess;
  EventObject* event = findEvent(handle, status);
  StreamObject* stream = event ? findStream(streamHandle, status) : nullptr;
  if (!stream) return status;
  if (stream->capture) {
    if (stream->capture->invalid) return cudaErrorStreamCaptureInvalidated;
    event->capture = stream->capture;
    event->frontier = stream->frontier;
    return cudaSuccess;
  }
  event->capture.reset();
  event->record = std::make_shared<Record>();
  stream->queue.push_back({"event", nullptr, nullptr, event->record, nullptr});
  return cudaSuccess;
}

cudaError_t waitInCapture(StreamObject& stream, EventObject& event) {
  const bool captured = event.capture && !event.capture->ended;
  if (stream.capture && stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (!captured) {
    // Work from outside: a graph that is replayed later could not wait for it.
    stream.capture->invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (event.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (stream.capture && stream.capture != event.capture) {
    stream.capture->invalid = event.capture->invalid = true;
    return cudaErrorStreamCaptureMerge;
  }
  if (!stream.capture) {
    stream.capture = event.capture;
    stream.frontier.clear();
    event.capture->members.insert(&stream);
  }
  for (const int node : event.frontier) {
    if (std::find(stream.frontier.begin(), stream.frontier.end(), node) == stream.frontier.end()) {
      stream.frontier.push_back(node);
    }
  }
  return cudaSuccess;
}

cudaError_t waitEvent(cudaStream_t streamHandle, cudaEvent_t handle) {
  cudaError_t status = cudaSuccess;
  StreamObject* stream = findStream(streamHandle, status);
  if (!stream) return status;
  // An event of another device may be waited for.
  const auto found = state().events.find(handle);
  if (found == state().events.end()) {
    return refuse(cudaErrorInvalidResourceHandle, "a wait for what is no event");
  }
  EventObject& event = *found->second;
  if (stream->capture || (event.capture && !event.capture->ended)) {
    return waitInCapture(*stream, event);
  }
  if (event.record) stream->queue.push_back({"wait", nullptr, event.record, nullptr, nullptr});
  return cudaSuccess;
}

bool isCaptured(const EventObject& event) {
  if (!event.capture || event.capture->ended) return false;
  event.capture->invalid = true;
  return true;
}

}  // namespace

StreamObject* findStream(cudaStream_t stream, cudaError_t& status) {
  if (isDefault(stream)) {
    status = refuse(cudaErrorInvalidResourceHandle, "the default stream was used");
    return nullptr;
  }
  const auto found = state().streams.find(stream);
  if (found == state().streams.end() || found->second->destroyed) {
    status = refuse(cudaErrorInvalidResourceHandle, "a stream that is not there was used");
    return nullptr;
  }
  if (found->second->device != currentDevice()) {
    status =
        refuse(cudaErrorInvalidResourceHandle,
               "a stream of device " + std::to_string(found->second->device) +
                   " was used while device " + std::to_string(currentDevice()) + " is current");
    return nullptr;
  }
  return found->second.get();
}

EventObject* findEvent(cudaEvent_t event, cudaError_t& status) {
  const auto found = state().events.find(event);
  if (found == state().events.end()) {
    status = refuse(cudaErrorInvalidResourceHandle, "an event that is not there was used");
    return nullptr;
  }
  if (found->second->device != currentDevice()) {
    status =
        refuse(cudaErrorInvalidResourceHandle,
               "an event of device " + std::to_string(found->second->device) +
                   " was used while device " + std::to_string(currentDevice()) + " is current");
    return nullptr;
  }
  return found->second.get();
}

cudaError_t enqueueOn(StreamObject& stream, const std::string& name, Work work) {
  auto run = std::make_shared<const Work>(std::move(work));
  if (!stream.capture) {
    stream.queue.push_back({name, std::move(run), nullptr, nullptr, nullptr});
    return cudaSuccess;
  }
  if (stream.capture->invalid) return cudaErrorStreamCaptureInvalidated;
  std::vector<GraphNode>& nodes = stream.capture->graph->nodes;
  nodes.push_back({name, std::move(run), stream.frontier, {}});
  stream.frontier = {static_cast<int>(nodes.size()) - 1};
  return cudaSuccess;
}

cudaError_t enqueue(cudaStream_t stream, const char* name, std::function<void()> work) {
  return api(name, kPlain, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    return found ? enqueueOn(*found, name, std::move(work)) : status;
  });
}

}  // namespace neuronode::cuda::emulation

using namespace neuronode::cuda::emulation;

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return api("cudaStreamCreate", kAllocates, [&] { return createStream(stream, 0); });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return api("cudaStreamCreateWithFlags", kAllocates, [&] { return createStream(stream, flags); });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) {
  return api("cudaStreamCreateWithPriority", kAllocates,
             [&] { return createStream(stream, flags); });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  return api("cudaDeviceGetStreamPriorityRange", kPlain, [&] {
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return api("cudaStreamDestroy", kReleases, [&] {
    const auto found = state().streams.find(stream);
    if (found == state().streams.end() || found->second->destroyed) {
      return refuse(cudaErrorInvalidResourceHandle, "a stream that is not there was destroyed");
    }
    StreamObject& object = *found->second;
    const int device = object.device;
    if (object.capture) {
      object.capture->invalid = true;
      object.capture->members.erase(&object);
      if (object.capture->origin == stream) {
        object.capture->ended = true;
        for (StreamObject* member : object.capture->members) member->capture.reset();
        state().captures.erase(object.capture);
      }
      object.capture.reset();
    }
    object.destroyed = true;
    if (object.queue.empty()) state().streams.erase(found);
    if (device != currentDevice()) {
      return refuse(cudaErrorInvalidResourceHandle, "a stream was destroyed on another device");
    }
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return api("cudaStreamSynchronize", kWaits, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    if (found->capture) {
      found->capture->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    // What is queued now; work may be added by none meanwhile.
    runUntil(*found, [&] { return found->queue.empty(); });
    return deviceError();
  });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return api("cudaStreamQuery", kWaits, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    runSome();
    if (deviceError() != cudaSuccess) return deviceError();
    return found->queue.empty() ? cudaSuccess : cudaErrorNotReady;
  });
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  return api("cudaStreamGetDevice", kPlain, [&] {
    const auto found = state().streams.find(stream);
    if (found == state().streams.end()) return cudaErrorInvalidResourceHandle;
    *device = found->second->device;
    return cudaSuccess;
  });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return api("cudaStreamWaitEvent", kPlain, [&] { return waitEvent(stream, event); });
}

cudaError_t cudaDeviceSynchronize() {
  return api("cudaDeviceSynchronize", kWaits, [&] {
    runDevice(currentDevice());
    return deviceError();
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return api("cudaEventCreate", kAllocates, [&] { return createEvent(event, 0); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return api("cudaEventCreateWithFlags", kAllocates, [&] { return createEvent(event, flags); });
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return api("cudaEventDestroy", kReleases, [&] {
    const auto found = state().events.find(event);
    if (found == state().events.end()) {
      return refuse(cudaErrorInvalidResourceHandle, "an event that is not there was destroyed");
    }
    const int device = found->second->device;
    state().events.erase(found);
    if (device != currentDevice()) {
      return refuse(cudaErrorInvalidResourceHandle, "an event was destroyed on another device");
    }
    return cudaSuccess;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return api("cudaEventRecord", kPlain, [&] { return record(event, stream); });
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) {
  return api("cudaEventRecordWithFlags", kPlain, [&] { return record(event, stream); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return api("cudaEventSynchronize", kWaits, [&] {
    cudaError_t status = cudaSuccess;
    EventObject* found = findEvent(event, status);
    if (!found) return status;
    if (isCaptured(*found)) return cudaErrorCapturedEvent;
    const std::shared_ptr<Record> record = found->record;
    if (!record) return cudaSuccess;
    for (const auto& [handle, stream] : std::map(state().streams)) {
      for (const Step& step : std::deque(stream->queue)) {
        if (step.completes == record) runUntil(*stream, [&] { return record->done; });
      }
    }
    return deviceError();
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return api("cudaEventQuery", kWaits, [&] {
    cudaError_t status = cudaSuccess;
    EventObject* found = findEvent(event, status);
    if (!found) return status;
    if (isCaptured(*found)) return cudaErrorCapturedEvent;
    runSome();
    if (deviceError() != cudaSuccess) return deviceError();
    return !found->record || found->record->done ? cudaSuccess : cudaErrorNotReady;
  });
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  return api("cudaEventElapsedTime", kPlain, [&] {
    cudaError_t status = cudaSuccess;
    EventObject* from = findEvent(start, status);
    EventObject* to = from ? findEvent(end, status) : nullptr;
    if (!to) return status;
    if (!from->timing || !to->timing || !from->record || !to->record) {
      return cudaErrorInvalidResourceHandle;
    }
    if (!from->record->done || !to->record->done) return cudaErrorNotReady;
    *milliseconds =
        std::chrono::duration<float, std::milli>(to->record->at - from->record->at).count();
    return cudaSuccess;
  });
}
