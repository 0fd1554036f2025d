// The emulation's insides: objects behind handles, queues, and what every call goes through.
//
// Policy: one lock for everything, held while work runs too; all below is used with it held.
// Objects are found by handle, and a handle is never given out twice.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "emulation.h"

namespace neuronode::cuda::emulation {

using Work = std::function<void()>;

// One recording of an event.
struct Record {
  bool done = false;
  std::chrono::steady_clock::time_point at;
};

struct GraphNode {
  std::string name;
  std::shared_ptr<const Work> run;
  std::vector<int> after;   // nodes that must have run
  std::vector<int> before;  // those that wait for this one
};

struct GraphObject {
  int device = 0;
  std::vector<GraphNode> nodes;
};

struct ExecObject {
  std::shared_ptr<const GraphObject> graph;
  std::shared_ptr<Record> lastLaunch;
};

// A launch of a graph that has begun or not.
struct GraphRun {
  explicit GraphRun(std::shared_ptr<const GraphObject> graph);
  std::shared_ptr<const GraphObject> graph;
  std::vector<int> missing;  // of each node: how many others it still waits for
  std::vector<int> ready;
  size_t left = 0;
};

// What a stream does next: wait, then work or a graph, then complete a record. Each is optional.
struct Step {
  std::string name;
  std::shared_ptr<const Work> run;
  std::shared_ptr<Record> waits, completes;
  std::shared_ptr<GraphRun> graph;
};

struct Capture;

struct StreamObject {
  int device = 0;
  bool nonBlocking = false;
  bool destroyed = false;  // its queue still runs
  std::deque<Step> queue;
  std::shared_ptr<Capture> capture;
  std::vector<int> frontier;  // while captured: the nodes that the next one follows
};

struct EventObject {
  int device = 0;
  bool timing = false;
  std::shared_ptr<Record> record;
  std::shared_ptr<Capture> capture;  // where it was last recorded, if by a captured stream
  std::vector<int> frontier;
};

struct Capture {
  cudaStream_t origin = nullptr;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread;
  bool invalid = false;
  bool ended = false;
  std::shared_ptr<GraphObject> graph;
  std::set<StreamObject*> members;
};

struct BlasObject {
  int device = 0;
  bool light = false;  // a cuBLASLt handle
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  size_t workspaceBytes = 0;
  int mathMode = 0;
  bool devicePointers = false;
};

struct DeviceObject {
  cudaError_t sticky = cudaSuccess;
  size_t used = 0;
};

struct State {
  std::recursive_mutex mutex;
  Settings settings;
  std::vector<DeviceObject> devices;
  std::map<cudaStream_t, std::shared_ptr<StreamObject>> streams;
  std::map<cudaEvent_t, std::shared_ptr<EventObject>> events;
  std::map<cudaGraph_t, std::shared_ptr<GraphObject>> graphs;
  std::map<cudaGraphExec_t, std::shared_ptr<ExecObject>> execs;
  std::map<void*, std::shared_ptr<BlasObject>> blas;
  int descriptors = 0;  // of cuBLASLt
  std::set<std::shared_ptr<Capture>> captures;
  std::vector<std::string> violations;
  std::mt19937_64 random;
  uint64_t calls = 0, workDone = 0;
};

State& state();

// Of the calling thread.
int& currentDevice();
cudaError_t& lastError();

void* newHandle();
template <class Handle>
Handle newHandleOf() {
  return static_cast<Handle>(newHandle());
}

// Below `bound`.
uint64_t draw(uint64_t bound);

// Calls.

enum Traits : unsigned {
  kPlain = 0,
  kWaits = 1,       // or allocates, or frees: not while this thread captures
  kAllocates = 2,   // fails by nature for want of memory
  kReleases = 4,    // goes on whatever fails
  kNoDevice = 8,    // needs no device that works
  kUncounted = 16,  // cannot fail
};
// Counts the call and says how it must fail before it begins.
cudaError_t enter(const char* name, unsigned traits);
cudaError_t leave(cudaError_t status);
// Records a violation and returns the status.
cudaError_t refuse(cudaError_t status, const std::string& text);

template <class Body>
cudaError_t api(const char* name, unsigned traits, Body&& body) {
  const std::lock_guard lock(state().mutex);
  cudaError_t status = enter(name, traits);
  if (status == cudaSuccess) {
    status = body();
  } else if (traits & kReleases) {
    body();
  }
  return leave(status);
}

// faults.cc: what a call or a piece of work is told to do.
bool workMustFail(const std::string& name);
cudaError_t callMustFail(const char* name, unsigned traits);
// The device has failed for good: what was queued on it is dropped.
void markFailed(int device, cudaError_t status);

// Streams. The object behind a handle that the current device may use, or null after a violation
// and the status to return.
StreamObject* findStream(cudaStream_t stream, cudaError_t& status);
EventObject* findEvent(cudaEvent_t event, cudaError_t& status);
cudaError_t enqueueOn(StreamObject& stream, const std::string& name, Work work);
// Whether this thread captures a stream, in a mode that forbids it to wait.
bool isCapturing();
void invalidateCaptures();

// Running queues (schedule.cc).
void runUntil(StreamObject& stream, const std::function<bool()>& done);
void runBlockingStreams(int device);
void runDevice(int device);
// By chance runs some of what is queued, or nothing.
void runSome();
// Runs it now, as the device's.
void runNow(int device, const std::string& name, const Work& work);

// Memory (memory.cc).
struct Region {
  uintptr_t begin = 0;
  size_t bytes = 0;
  uintptr_t pages = 0;
  size_t pageBytes = 0;
  int device = -1;  // -1: pinned
  bool freed = false;
  bool open = false;  // readable at present
};
enum class Place { Pageable, Pinned, Device, Wrong };
struct Located {
  Place place = Place::Pageable;
  int device = -1;
  std::string text;  // Wrong: why
};
Located locate(const void* pointer, size_t bytes);
std::string describe(const void* pointer);
void releaseAllMemory();
void closeRegions();
size_t regionBytes(bool pinned);
int regionCount();
// Runs `body` with the device's memory within reach. Returns how it failed, or success.
cudaError_t guarded(int device, const Work& body, std::string& why);
// The device whose work runs now, -1 for none.
int runningDevice();

}  // namespace neuronode::cuda::emulation
