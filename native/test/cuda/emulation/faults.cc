// What every call passes: counting, faults that tests ask for, failed devices, violations.
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

struct Plan {
  bool armed = false;
  std::string name;    // empty: any call
  bool work = false;   // work rather than a call
  uint64_t after = 0;  // how many more come before the one to fail
  Fault kind = Fault::Natural;
};
Plan plan;
std::string failedName;

void arm(const std::string& name, bool work, uint64_t n, Fault kind) {
  const std::lock_guard lock(state().mutex);
  plan = {n > 0, name, work, n - 1, kind};
  failedName.clear();
}

bool due(const std::string& name, bool work) {
  if (!plan.armed || plan.work != work || (!plan.name.empty() && plan.name != name)) return false;
  if (plan.after-- > 0) return false;
  plan.armed = false;
  failedName = name;
  return true;
}

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

double number(const char* name, const std::string& text, const char* allowed) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  double factor = 1;
  if (*end == 'K') factor = 1024.0, ++end;
  if (*end == 'M') factor = 1024.0 * 1024, ++end;
  if (*end == 'G') factor = 1024.0 * 1024 * 1024, ++end;
  if (end == text.c_str() || *end || value < 0) {
    throw std::invalid_argument(std::string(name) + " is '" + text + "'; expected " + allowed);
  }
  return value * factor;
}

Plan parsePlan(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  Fault kind = Fault::Natural;
  const std::map<std::string, Fault> kinds = {{"memory", Fault::OutOfMemory},
                                              {"unsupported", Fault::NotSupported},
                                              {"sticky", Fault::Sticky}};
  if (const auto found = kinds.find(parts.back()); found != kinds.end()) {
    kind = found->second;
    parts.pop_back();
  }
  if (parts.empty() || parts.size() > 2) {
    throw std::invalid_argument("NEURONODE_EMULATED_FAULT is '" + text +
                                "'; expected N, name:N or work:N, and :memory, :unsupported or "
                                ":sticky behind if so wished");
  }
  const auto n = static_cast<uint64_t>(
      number("NEURONODE_EMULATED_FAULT", parts.back(), "N, name:N or work:N"));
  const std::string name = parts.size() == 2 ? parts[0] : "";
  const bool work = name == "work";
  return {n > 0, work ? "" : name, work, n - 1, work ? Fault::Sticky : kind};
}

}  // namespace

Settings Settings::fromEnvironment() {
  Settings result;
  const auto read = [](const char* name, const char* allowed, auto& to) {
    using To = std::remove_reference_t<decltype(to)>;
    if (const char* text = variable(name)) to = static_cast<To>(number(name, text, allowed));
  };
  read("NEURONODE_EMULATED_SEED", "a number", result.seed);
  read("NEURONODE_EMULATED_DEVICES", "a number of devices", result.devices);
  read("NEURONODE_EMULATED_MEMORY", "bytes, such as 512M", result.memory);
  read("NEURONODE_EMULATED_DRIVER", "a version, such as 13000", result.driver);
  if (const char* text = variable("NEURONODE_EMULATED_COMPUTE")) {
    if (std::sscanf(text, "%d.%d", &result.computeMajor, &result.computeMinor) != 2) {
      throw std::invalid_argument("NEURONODE_EMULATED_COMPUTE must be like 9.0");
    }
  }
  if (const char* text = variable("NEURONODE_EMULATED_FAULT")) result.fault = text;
  return result;
}

State& state() {
  // Never destroyed: other threads may still be in calls when the process ends.
  static State* const only = [] {
    auto* made = new State;
    try {
      made->settings = Settings::fromEnvironment();
      if (!made->settings.fault.empty()) plan = parsePlan(made->settings.fault);
    } catch (const std::invalid_argument& error) {
      std::fprintf(stderr, "No emulated GPU: %s\n", error.what());
      made->settings.devices = 0;
    }
    made->devices.resize(made->settings.devices);
    made->random.seed(made->settings.seed);
    return made;
  }();
  return *only;
}

void reset(const Settings& settings) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.settings = settings;
  s.devices.assign(settings.devices, {});
  s.streams.clear();
  s.events.clear();
  s.graphs.clear();
  s.execs.clear();
  s.blas.clear();
  s.captures.clear();
  s.descriptors = 0;
  s.violations.clear();
  s.random.seed(settings.seed);
  s.calls = s.workDone = 0;
  releaseAllMemory();
  currentDevice() = 0;
  lastError() = cudaSuccess;
  failNothing();
  if (!settings.fault.empty()) failBy(settings.fault);
}

void seed(uint64_t value) {
  const std::lock_guard lock(state().mutex);
  state().random.seed(value);
}

std::vector<std::string> violations() {
  const std::lock_guard lock(state().mutex);
  return std::exchange(state().violations, {});
}

void violate(const std::string& text) {
  const std::lock_guard lock(state().mutex);
  std::fprintf(stderr, "Violation on the emulated GPU: %s\n", text.c_str());
  state().violations.push_back(text);
}

bool Live::none() const {
  return deviceBytes == 0 && pinnedBytes == 0 && allocations == 0 && streams == 0 && events == 0 &&
         graphs == 0 && execs == 0 && captures == 0 && blasHandles == 0 && descriptors == 0;
}

std::string Live::text() const {
  std::string result;
  const auto add = [&result](size_t count, const char* what) {
    if (count > 0) result += (result.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  add(deviceBytes, "device bytes");
  add(pinnedBytes, "pinned bytes");
  add(allocations, "allocations");
  add(streams, "streams");
  add(events, "events");
  add(graphs, "graphs");
  add(execs, "executable graphs");
  add(captures, "captures");
  add(blasHandles, "cuBLAS handles");
  add(descriptors, "cuBLASLt descriptors");
  return result.empty() ? "nothing" : result;
}

Live live() {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  Live result;
  result.deviceBytes = regionBytes(false);
  result.pinnedBytes = regionBytes(true);
  result.allocations = regionCount();
  for (const auto& [handle, stream] : s.streams) result.streams += !stream->destroyed;
  result.events = static_cast<int>(s.events.size());
  result.graphs = static_cast<int>(s.graphs.size());
  result.execs = static_cast<int>(s.execs.size());
  result.captures = static_cast<int>(s.captures.size());
  result.blasHandles = static_cast<int>(s.blas.size());
  result.descriptors = s.descriptors;
  return result;
}

void failCall(uint64_t n, Fault kind) { arm("", false, n, kind); }
void failCall(const std::string& name, uint64_t n, Fault kind) { arm(name, false, n, kind); }
void failWork(uint64_t n) { arm("", true, n, Fault::Sticky); }
void failNothing() { arm("", false, 0, Fault::Natural); }

void failBy(const std::string& text) {
  const Plan parsed = parsePlan(text);
  const std::lock_guard lock(state().mutex);
  plan = parsed;
  failedName.clear();
}

std::string failed() {
  const std::lock_guard lock(state().mutex);
  return failedName;
}

uint64_t calls() {
  const std::lock_guard lock(state().mutex);
  return state().calls;
}

uint64_t workDone() {
  const std::lock_guard lock(state().mutex);
  return state().workDone;
}

int& currentDevice() {
  static thread_local int device = 0;
  return device;
}

cudaError_t& lastError() {
  static thread_local cudaError_t error = cudaSuccess;
  return error;
}

void* newHandle() {
  // Not an address of anything.
  static uintptr_t next = 0x00C0'DA00'0000;
  return reinterpret_cast<void*>(next += 64);
}

uint64_t draw(uint64_t bound) { return state().random() % bound; }

bool workMustFail(const std::string& name) {
  ++state().workDone;
  return due(name, true);
}

cudaError_t callMustFail(const char* name, unsigned traits) {
  ++state().calls;
  if (!due(name, false)) return cudaSuccess;
  Fault kind = plan.kind;
  if (kind == Fault::Natural) {
    kind = traits & kAllocates ? Fault::OutOfMemory : Fault::NotSupported;
  }
  switch (kind) {
    case Fault::OutOfMemory:
      return cudaErrorMemoryAllocation;
    case Fault::Sticky:
      markFailed(currentDevice(), cudaErrorLaunchFailure);
      return cudaErrorLaunchFailure;
    default:
      return cudaErrorNotSupported;
  }
}

void markFailed(int device, cudaError_t status) {
  State& s = state();
  if (device < 0 || device >= static_cast<int>(s.devices.size())) return;
  if (s.devices[device].sticky == cudaSuccess) s.devices[device].sticky = status;
  for (const auto& [handle, stream] : s.streams) {
    if (stream->device != device) continue;
    // Nobody waits in vain for what will not run; those who ask are told of the failure.
    for (const Step& step : stream->queue) {
      if (step.completes) step.completes->done = true;
    }
    stream->queue.clear();
  }
}

cudaError_t enter(const char* name, unsigned traits) {
  State& s = state();
  if (!(traits & kUncounted)) {
    if (const cudaError_t status = callMustFail(name, traits); status != cudaSuccess) {
      return status;
    }
  }
  if (traits & kNoDevice) return cudaSuccess;
  if (s.settings.driver < CUDART_VERSION / 1000 * 1000) return cudaErrorInsufficientDriver;
  if (s.devices.empty()) return cudaErrorNoDevice;
  if (currentDevice() >= static_cast<int>(s.devices.size())) return cudaErrorInvalidDevice;
  if (const cudaError_t sticky = s.devices[currentDevice()].sticky; sticky != cudaSuccess) {
    return sticky;
  }
  if ((traits & kWaits) && isCapturing()) {
    invalidateCaptures();
    return cudaErrorStreamCaptureUnsupported;
  }
  return cudaSuccess;
}

cudaError_t leave(cudaError_t status) {
  if (status != cudaSuccess && status != cudaErrorNotReady) lastError() = status;
  return status;
}

cudaError_t refuse(cudaError_t status, const std::string& text) {
  violate(text);
  return status;
}

}  // namespace neuronode::cuda::emulation
