// Kernel launches (launch.h): the body is copied when it is launched, as arguments are.
#include "launch.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

struct AlignedDelete {
  void operator()(void* memory) const { ::operator delete (memory, std::align_val_t{64}); }
};

// Whether the word is the address of memory that the process has and a device has not.
bool isHostPointer(uintptr_t word) {
  constexpr uintptr_t kPage = 4096, kLowest = uintptr_t{1} << 32, kHighest = uintptr_t{1} << 47;
  if (word < kLowest || word >= kHighest) return false;
  auto* const pointer = reinterpret_cast<void*>(word);
  const Located found = locate(pointer, 0);
  if (found.place != Place::Pageable) return false;
  // Fails for what is not mapped.
  return msync(reinterpret_cast<void*>(word & ~(kPage - 1)), kPage, MS_ASYNC) == 0;
}

bool holdsHostPointer(const void* body, size_t bytes) {
  for (size_t i = 0; i + sizeof(uintptr_t) <= bytes; i += sizeof(uintptr_t)) {
    uintptr_t word = 0;
    std::memcpy(&word, static_cast<const char*>(body) + i, sizeof word);
    if (isHostPointer(word)) return true;
  }
  return false;
}

}  // namespace

cudaError_t launch(cudaStream_t stream, const char* name, int64_t work,
                   void (*run)(const void* body, int64_t work, uint64_t seed), const void* body,
                   size_t bodyBytes) {
  return api(name, kPlain, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    if (work < 0) return cudaErrorInvalidConfiguration;
    if (holdsHostPointer(body, bodyBytes)) {
      return refuse(cudaErrorInvalidValue, std::string(name) +
                                               ": its arguments hold a pointer to the host's "
                                               "memory, or what looks like one");
    }
    const std::shared_ptr<void> copy(::operator new (bodyBytes, std::align_val_t{64}),
                                     AlignedDelete());
    std::memcpy(copy.get(), body, bodyBytes);
    return enqueueOn(*found, name, [run, copy, work] { run(copy.get(), work, state().random()); });
  });
}

}  // namespace neuronode::cuda::emulation
