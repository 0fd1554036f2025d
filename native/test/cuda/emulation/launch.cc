// Kernel launches (launch.h): the body is copied when it is launched, as arguments are.
#include "launch.h"

#include <cstring>
#include <new>

#include "core.h"

namespace neuronode::cuda::emulation {
namespace {

struct AlignedDelete {
  void operator()(void* memory) const { ::operator delete (memory, std::align_val_t{64}); }
};

}  // namespace

cudaError_t launch(cudaStream_t stream, const char* name, int64_t work,
                   void (*run)(const void* body, int64_t work, uint64_t seed), const void* body,
                   size_t bodyBytes) {
  return api(name, kPlain, [&] {
    cudaError_t status = cudaSuccess;
    StreamObject* found = findStream(stream, status);
    if (!found) return status;
    if (work < 0) return cudaErrorInvalidConfiguration;
    const std::shared_ptr<void> copy(::operator new (bodyBytes, std::align_val_t{64}),
                                     AlignedDelete());
    std::memcpy(copy.get(), body, bodyBytes);
    return enqueueOn(*found, name, [run, copy, work] { run(copy.get(), work, state().random()); });
  });
}

}  // namespace neuronode::cuda::emulation
