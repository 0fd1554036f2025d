// Copies and fills.
#include <cstring>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

const char* placeName(Place place) {
  switch (place) {
    case Place::Pageable:
      return "pageable memory";
    case Place::Pinned:
      return "pinned memory";
    case Place::Device:
      return "device memory";
    default:
      return "nothing";
  }
}

// Whether the copy is one that its kind allows; a violation where it is not.
bool isCopyable(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, bool async,
                const char* call) {
  const Located target = locate(to, bytes), source = locate(from, bytes);
  for (const Located& each : {target, source}) {
    if (each.place == Place::Wrong) {
      violate(std::string(call) + ": " + each.text);
      return false;
    }
    if (each.place == Place::Device && each.device != currentDevice()) {
      violate(std::string(call) + ": memory of another device");
      return false;
    }
    if (async && each.place == Place::Pageable) {
      violate(std::string(call) + ": pageable memory, which would be copied before or after");
      return false;
    }
  }
  const bool toDevice = target.place == Place::Device, fromDevice = source.place == Place::Device;
  const bool fits = kind == cudaMemcpyDefault          ? toDevice || fromDevice
                    : kind == cudaMemcpyHostToDevice   ? toDevice && !fromDevice
                    : kind == cudaMemcpyDeviceToHost   ? !toDevice && fromDevice
                    : kind == cudaMemcpyDeviceToDevice ? toDevice && fromDevice
                                                       : false;
  if (!fits) {
    violate(std::string(call) + ": the direction is wrong, from " + placeName(source.place) +
            " to " + placeName(target.place));
    return false;
  }
  const auto* first = static_cast<const char*>(from);
  auto* second = static_cast<char*>(to);
  if (first < second + bytes && second < first + bytes) {
    violate(std::string(call) + ": source and target overlap");
    return false;
  }
  return true;
}

// When it runs: what was freed since it was queued is touched no more.
void requireLive(const void* pointer, size_t bytes) {
  const Located found = locate(pointer, bytes);
  if (found.place == Place::Wrong) throw DeviceFault(cudaErrorIllegalAddress, found.text);
}

Work copyWork(void* to, const void* from, size_t bytes) {
  return [to, from, bytes] {
    requireLive(to, bytes);
    requireLive(from, bytes);
    std::memcpy(to, from, bytes);
  };
}

}  // namespace
}  // namespace neuronode::cuda::emulation

using namespace neuronode::cuda::emulation;

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  return api("cudaMemcpyAsync", kPlain, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    if (bytes == 0) return cudaSuccess;
    if (!isCopyable(to, from, bytes, kind, true, "cudaMemcpyAsync")) return cudaErrorInvalidValue;
    return enqueueOn(*found, "cudaMemcpyAsync", copyWork(to, from, bytes));
  });
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return api("cudaMemcpy", kWaits, [&] {
    if (bytes == 0) return cudaSuccess;
    if (!isCopyable(to, from, bytes, kind, false, "cudaMemcpy")) return cudaErrorInvalidValue;
    runBlockingStreams(currentDevice());
    runSome();
    runNow(currentDevice(), "cudaMemcpy", copyWork(to, from, bytes));
    return state().devices[currentDevice()].sticky;
  });
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return api("cudaMemsetAsync", kPlain, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    if (bytes == 0) return cudaSuccess;
    const Located target = locate(memory, bytes);
    if (target.place != Place::Device || target.device != currentDevice()) {
      return refuse(
          cudaErrorInvalidValue,
          "cudaMemsetAsync: " + (target.place == Place::Wrong ? target.text : describe(memory)));
    }
    return enqueueOn(*found, "cudaMemsetAsync", [memory, value, bytes] {
      requireLive(memory, bytes);
      std::memset(memory, value, bytes);
    });
  });
}

cudaError_t cudaMemset(void*, int, size_t) {
  return api("cudaMemset", kWaits, [] {
    return refuse(cudaErrorInvalidValue,
                  "cudaMemset runs on the default stream, which orders nothing here");
  });
}
