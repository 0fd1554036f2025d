// Runs what streams have queued: one piece of work at a time, the next one drawn at random from the
// streams that may go on.
#include <array>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

using StreamPointer = std::shared_ptr<StreamObject>;

bool canRun(const StreamObject& stream) {
  return !stream.queue.empty() && (!stream.queue.front().waits || stream.queue.front().waits->done);
}

void perform(int device, const std::string& name, const Work& work) {
  if (workMustFail(name)) {
    markFailed(device, cudaErrorLaunchFailure);
    return;
  }
  std::string why;
  const cudaError_t status = guarded(device, work, why);
  if (status == cudaSuccess) return;
  violate(name + ": " + why);
  markFailed(device, status);
}

void finish(StreamObject& stream) {
  // A failure has emptied the queue already.
  if (stream.queue.empty()) return;
  if (const auto& record = stream.queue.front().completes) {
    record->done = true;
    record->at = std::chrono::steady_clock::now();
  }
  stream.queue.pop_front();
}

// Runs the front of the queue, or one node of it where that is a graph.
void advance(StreamObject& stream) {
  const Step step = stream.queue.front();
  if (step.graph) {
    GraphRun& run = *step.graph;
    if (run.left > 0) {
      const size_t pick = draw(run.ready.size());
      const int node = run.ready[pick];
      run.ready.erase(run.ready.begin() + static_cast<ptrdiff_t>(pick));
      --run.left;
      const GraphNode& chosen = run.graph->nodes[node];
      perform(stream.device, chosen.name, *chosen.run);
      for (const int next : chosen.before) {
        if (--run.missing[next] == 0) run.ready.push_back(next);
      }
    }
    if (run.left > 0) return;
  } else if (step.run) {
    perform(stream.device, step.name, *step.run);
  }
  finish(stream);
}

std::vector<StreamPointer> ableToRun() {
  std::vector<StreamPointer> able;
  for (const auto& [handle, stream] : state().streams) {
    if (canRun(*stream)) able.push_back(stream);
  }
  return able;
}

// One step of any stream; false where none can go on.
bool advanceAny() {
  const std::vector<StreamPointer> able = ableToRun();
  if (able.empty()) return false;
  advance(*able[draw(able.size())]);
  return true;
}

// One step of the stream, or of what it waits for.
void advanceTowards(StreamObject& stream) {
  StreamObject* next = &stream;
  while (!canRun(*next)) {
    const Record* wanted = next->queue.front().waits.get();
    StreamObject* holder = nullptr;
    for (const auto& [handle, other] : state().streams) {
      for (const Step& step : other->queue) {
        if (step.completes.get() == wanted) holder = other.get();
      }
    }
    if (!holder) {
      // Its device has failed.
      next->queue.front().waits->done = true;
      return;
    }
    next = holder;
  }
  advance(*next);
}

void tidy() {
  closeRegions();
  std::erase_if(state().streams, [](const auto& entry) {
    return entry.second->destroyed && entry.second->queue.empty();
  });
}

void runSomeUnclosed() {
  if (draw(2) == 0) return;
  for (uint64_t steps = draw(16); steps > 0 && advanceAny(); --steps) {
  }
}

}  // namespace

GraphRun::GraphRun(std::shared_ptr<const GraphObject> of)
    : graph(std::move(of)), left(graph->nodes.size()) {
  for (size_t i = 0; i < graph->nodes.size(); ++i) {
    missing.push_back(static_cast<int>(graph->nodes[i].after.size()));
    if (missing.back() == 0) ready.push_back(static_cast<int>(i));
  }
}

void runUntil(StreamObject& stream, const std::function<bool()>& done) {
  // Straight to the goal, or with detours.
  const uint64_t detours = std::array<uint64_t, 4>{0, 1, 4, 12}[draw(4)];
  while (!done()) {
    if (stream.queue.empty()) break;
    if (draw(16) < detours && advanceAny()) continue;
    advanceTowards(stream);
  }
  runSomeUnclosed();
  tidy();
}

void runBlockingStreams(int device) {
  for (const StreamPointer& stream : [&] {
         std::vector<StreamPointer> found;
         for (const auto& [handle, each] : state().streams) {
           if (each->device == device && !each->nonBlocking) found.push_back(each);
         }
         return found;
       }()) {
    runUntil(*stream, [&] { return stream->queue.empty(); });
  }
}

void runDevice(int device) {
  std::vector<StreamPointer> streams;
  for (const auto& [handle, stream] : state().streams) {
    if (stream->device == device) streams.push_back(stream);
  }
  for (const StreamPointer& stream : streams) {
    while (!stream->queue.empty()) {
      if (draw(2) == 0 && advanceAny()) continue;
      advanceTowards(*stream);
    }
  }
  runSomeUnclosed();
  tidy();
}

void runSome() {
  runSomeUnclosed();
  tidy();
}

void runNow(int device, const std::string& name, const Work& work) {
  perform(device, name, work);
  tidy();
}

}  // namespace neuronode::cuda::emulation
