// Device and pinned memory: where it lies, who may touch it and when.
//
// Policy: addresses come from one reserved range for each device and one for pinned memory, in
// turn, so that freed ones stay out of use for as long as the range lasts. Device memory is
// inaccessible between pieces of work; a piece of work that touches it faults, and the handler
// below opens the region it touched, if that is live and of its device.
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kRange = size_t{1} << 38;
constexpr uintptr_t kHugePage = uintptr_t{1} << 21;
constexpr unsigned char kGuard = 0xA5;

struct Range {
  uintptr_t begin = 0;
  uintptr_t cursor = 0;
  std::map<uintptr_t, Region> regions;  // by first byte of their pages; freed ones too
};
constexpr int kMostDevices = 8;
Range ranges[kMostDevices + 1];  // the last one is the pinned memory's

Range& rangeOf(int device) { return ranges[device < 0 ? kMostDevices : device]; }

bool contains(const Range& range, uintptr_t at) {
  return range.begin != 0 && at >= range.begin && at < range.begin + kRange;
}

Region* regionAt(uintptr_t at) {
  for (Range& range : ranges) {
    if (!contains(range, at)) continue;
    auto next = range.regions.upper_bound(at);
    if (next == range.regions.begin()) return nullptr;
    return &std::prev(next)->second;
  }
  return nullptr;
}

// What runs at present: one piece of work at a time, on the thread that holds the lock.
struct Running {
  volatile bool active = false;
  pthread_t thread;
  volatile int device = -1;
  sigjmp_buf back;
  volatile uintptr_t faultAt = 0;
} running;
struct sigaction previousHandler;

void onFault(int, siginfo_t* info, void*) {
  const auto at = reinterpret_cast<uintptr_t>(info->si_addr);
  bool ours = false;
  for (const Range& range : ranges) ours = ours || contains(range, at);
  if (running.active && pthread_equal(running.thread, pthread_self())) {
    Region* region = regionAt(at);
    if (region && !region->freed && !region->open && region->device == running.device &&
        at < region->pages + region->pageBytes) {
      region->open = true;
      if (mprotect(reinterpret_cast<void*>(region->pages), region->pageBytes,
                   PROT_READ | PROT_WRITE) == 0) {
        return;
      }
    }
    running.faultAt = at;
    siglongjmp(running.back, 1);
  }
  if (ours) {
    constexpr char kText[] =
        "The host touched the emulated GPU's memory, or freed pinned memory, outside of its "
        "work.\n";
    (void)!write(STDERR_FILENO, kText, sizeof kText - 1);
  }
  // Returns to the access, which faults again under the handler that was there before.
  sigaction(SIGSEGV, &previousHandler, nullptr);
}

void installHandler() {
  struct sigaction now;
  sigaction(SIGSEGV, nullptr, &now);
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == onFault) return;
  previousHandler = now;
  struct sigaction mine = {};
  mine.sa_sigaction = onFault;
  mine.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  sigaction(SIGSEGV, &mine, nullptr);
}

uintptr_t roundUp(uintptr_t value, uintptr_t to) { return (value + to - 1) / to * to; }

// Room for `pageBytes` and an unused page behind; where the range is used up, from its beginning
// again, over what was freed.
uintptr_t findPages(Range& range, size_t pageBytes) {
  if (range.begin == 0) {
    void* reserved =
        mmap(nullptr, kRange, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED) return 0;
    range.begin = range.cursor = roundUp(reinterpret_cast<uintptr_t>(reserved), kHugePage) + kPage;
  }
  const uintptr_t alignment = pageBytes >= kHugePage ? kHugePage : kPage;
  const uintptr_t end = reinterpret_cast<uintptr_t>(range.begin) + kRange - 2 * kHugePage;
  for (int round = 0; round < 2; ++round) {
    uintptr_t at = roundUp(range.cursor, alignment);
    while (at + pageBytes + kPage <= end) {
      // The first live region that is in the way.
      auto next = range.regions.upper_bound(at);
      if (next != range.regions.begin()) --next;
      const Region* obstacle = nullptr;
      for (; next != range.regions.end() && next->first < at + pageBytes + kPage; ++next) {
        const Region& region = next->second;
        if (!region.freed && region.pages + region.pageBytes + kPage > at) obstacle = &region;
        if (obstacle) break;
      }
      if (!obstacle) {
        std::erase_if(range.regions, [&](const auto& entry) {
          const Region& region = entry.second;
          return region.pages < at + pageBytes && region.pages + region.pageBytes > at;
        });
        range.cursor = at + pageBytes + kPage;
        return at;
      }
      at = roundUp(obstacle->pages + obstacle->pageBytes + kPage, alignment);
    }
    range.cursor = range.begin;
  }
  return 0;
}

void* allocate(int device, size_t bytes) {
  Range& range = rangeOf(device);
  const size_t pageBytes = roundUp(bytes, kPage);
  const uintptr_t pages = findPages(range, pageBytes);
  if (pages == 0) return nullptr;
  void* const memory = reinterpret_cast<void*>(pages);
  if (mprotect(memory, pageBytes, PROT_READ | PROT_WRITE) != 0) return nullptr;
  if (pageBytes >= kHugePage) madvise(memory, pageBytes, MADV_HUGEPAGE);
  // At the end of its pages, so that one element too far is already the guard page, or nearly.
  const size_t alignment = device < 0 ? 64 : 256;
  const size_t before = pageBytes - roundUp(bytes, alignment);
  std::memset(memory, kGuard, before);
  std::memset(static_cast<char*>(memory) + before, 0xFF, pageBytes - before);
  if (device >= 0) mprotect(memory, pageBytes, PROT_NONE);
  range.regions[pages] = {pages + before, bytes, pages, pageBytes, device, false, false};
  return reinterpret_cast<void*>(pages + before);
}

void release(Region& region) {
  void* const memory = reinterpret_cast<void*>(region.pages);
  if (region.device >= 0) mprotect(memory, region.pageBytes, PROT_READ);
  const auto* bytes = static_cast<const unsigned char*>(memory);
  const auto check = [&region](const unsigned char* from, size_t count, unsigned char expected,
                               const char* where) {
    for (size_t i = 0; i < count; ++i) {
      if (from[i] == expected) continue;
      violate("bytes " + std::string(where) + " an allocation of " + std::to_string(region.bytes) +
              " bytes were written");
      return;
    }
  };
  const size_t before = region.begin - region.pages;
  check(bytes, before, kGuard, "before");
  check(bytes + before + region.bytes, region.pageBytes - before - region.bytes, 0xFF, "behind");
  madvise(memory, region.pageBytes, MADV_DONTNEED);
  mprotect(memory, region.pageBytes, PROT_NONE);
  region.freed = true;
  region.open = false;
}

cudaError_t freeMemory(void* memory, bool pinned) {
  if (memory == nullptr) return cudaSuccess;
  Region* region = regionAt(reinterpret_cast<uintptr_t>(memory));
  if (!region || region->begin != reinterpret_cast<uintptr_t>(memory)) {
    return refuse(cudaErrorInvalidValue, "a free of " + describe(memory));
  }
  if (region->freed) return refuse(cudaErrorInvalidValue, "a second free of " + describe(memory));
  if (pinned != (region->device < 0)) {
    return refuse(cudaErrorInvalidValue, "the wrong kind of free of " + describe(memory));
  }
  const bool here = pinned || region->device == currentDevice();
  const std::string text = here ? "" : describe(memory);
  const size_t before = state().violations.size();
  if (!pinned) state().devices[region->device].used -= roundUp(region->bytes, 512);
  release(*region);
  if (!here) {
    return refuse(cudaErrorInvalidValue, "device " + std::to_string(currentDevice()) +
                                             " is current at the free of " + text);
  }
  return state().violations.size() > before ? cudaErrorInvalidValue : cudaSuccess;
}

cudaError_t allocatePinned(void** memory, size_t bytes) {
  if (!memory) return cudaErrorInvalidValue;
  *memory = nullptr;
  if (bytes == 0) return cudaSuccess;
  *memory = allocate(-1, bytes);
  return *memory ? cudaSuccess : cudaErrorMemoryAllocation;
}

}  // namespace

int runningDevice() { return running.active ? running.device : -1; }

cudaError_t guarded(int device, const Work& body, std::string& why) {
  installHandler();
  static cudaError_t status;  // survives the jump
  status = cudaSuccess;
  running.thread = pthread_self();
  running.device = device;
  running.active = true;
  if (sigsetjmp(running.back, 0) == 0) {
    try {
      body();
    } catch (const DeviceFault& fault) {
      status = fault.status;
      why = fault.what();
    }
    running.active = false;
  } else {
    running.active = false;
    status = cudaErrorIllegalAddress;
    why = "it touched " + describe(reinterpret_cast<const void*>(running.faultAt));
  }
  return status;
}

void closeRegions() {
  for (Range& range : ranges) {
    for (auto& [pages, region] : range.regions) {
      if (!region.open) continue;
      mprotect(reinterpret_cast<void*>(pages), region.pageBytes, PROT_NONE);
      region.open = false;
    }
  }
}

std::string describe(const void* pointer) {
  const auto at = reinterpret_cast<uintptr_t>(pointer);
  if (!pointer) return "a null pointer";
  const Region* region = regionAt(at);
  char address[32];
  std::snprintf(address, sizeof address, "%p", pointer);
  if (!region) return std::string("what is no memory of any device (") + address + ")";
  const auto distance = static_cast<int64_t>(at - region->begin);
  return std::string(region->freed ? "freed " : "") +
         (region->device < 0 ? std::string("pinned memory")
                             : "memory of device " + std::to_string(region->device)) +
         " (byte " + std::to_string(distance) + " of " + std::to_string(region->bytes) + ")";
}

Located locate(const void* pointer, size_t bytes) {
  const auto at = reinterpret_cast<uintptr_t>(pointer);
  if (!pointer) return {Place::Wrong, -1, "a null pointer"};
  bool ours = false;
  for (const Range& range : ranges) ours = ours || contains(range, at);
  if (!ours) return {};
  const Region* region = regionAt(at);
  if (!region || region->freed || at < region->begin || at > region->begin + region->bytes ||
      bytes > region->begin + region->bytes - at) {
    return {Place::Wrong, -1, std::to_string(bytes) + " bytes at " + describe(pointer)};
  }
  if (region->device < 0) return {Place::Pinned, -1, ""};
  return {Place::Device, region->device, ""};
}

void requireDevice(const void* pointer, size_t bytes, const char* what) {
  const Located found = locate(pointer, bytes);
  if (found.place == Place::Device && found.device == runningDevice()) return;
  throw DeviceFault(
      cudaErrorIllegalAddress,
      std::string(what) + " is " + (found.place == Place::Wrong ? found.text : describe(pointer)));
}

void scribble(void* workspace, size_t bytes) {
  if (bytes == 0) return;
  requireDevice(workspace, bytes, "the workspace");
  const size_t edge = std::min(bytes, size_t{16384});
  std::memset(workspace, 0xFF, edge);
  std::memset(static_cast<char*>(workspace) + bytes - edge, 0xFF, edge);
}

void releaseAllMemory() {
  for (Range& range : ranges) {
    for (auto& [pages, region] : range.regions) {
      if (region.freed) continue;
      madvise(reinterpret_cast<void*>(pages), region.pageBytes, MADV_DONTNEED);
      mprotect(reinterpret_cast<void*>(pages), region.pageBytes, PROT_NONE);
      region.freed = true;
      region.open = false;
    }
  }
}

size_t regionBytes(bool pinned) {
  size_t total = 0;
  for (const Range& range : ranges) {
    for (const auto& [pages, region] : range.regions) {
      if (!region.freed && pinned == (region.device < 0)) total += region.bytes;
    }
  }
  return total;
}

int regionCount() {
  int count = 0;
  for (const Range& range : ranges) {
    for (const auto& [pages, region] : range.regions) count += !region.freed;
  }
  return count;
}

}  // namespace neuronode::cuda::emulation

using namespace neuronode::cuda::emulation;

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  return api("cudaMalloc", kWaits | kAllocates, [&] {
    if (!memory) return cudaErrorInvalidValue;
    *memory = nullptr;
    if (bytes == 0) return cudaSuccess;
    const int device = currentDevice();
    DeviceObject& object = state().devices[device];
    const size_t taken = (bytes + 511) / 512 * 512;
    if (bytes > state().settings.memory || taken > state().settings.memory - object.used) {
      return cudaErrorMemoryAllocation;
    }
    *memory = allocate(device, bytes);
    if (!*memory) return cudaErrorMemoryAllocation;
    object.used += taken;
    return cudaSuccess;
  });
}

cudaError_t cudaFree(void* memory) {
  return api("cudaFree", kWaits | kReleases, [&] { return freeMemory(memory, false); });
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  return api("cudaMallocHost", kWaits | kAllocates, [&] { return allocatePinned(memory, bytes); });
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return api("cudaHostAlloc", kWaits | kAllocates, [&] { return allocatePinned(memory, bytes); });
}

cudaError_t cudaFreeHost(void* memory) {
  return api("cudaFreeHost", kWaits | kReleases, [&] { return freeMemory(memory, true); });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return api("cudaMemGetInfo", kPlain, [&] {
    *total = state().settings.memory;
    *free = *total - state().devices[currentDevice()].used;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return api("cudaPointerGetAttributes", kPlain, [&] {
    const Located found = locate(pointer, 0);
    *attributes = {};
    attributes->device = found.device;
    attributes->type = found.place == Place::Device   ? cudaMemoryTypeDevice
                       : found.place == Place::Pinned ? cudaMemoryTypeHost
                                                      : cudaMemoryTypeUnregistered;
    if (found.place == Place::Device) attributes->devicePointer = const_cast<void*>(pointer);
    if (found.place == Place::Pinned) attributes->hostPointer = const_cast<void*>(pointer);
    return cudaSuccess;
  });
}
