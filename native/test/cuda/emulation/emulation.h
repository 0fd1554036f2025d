// An imitation of the CUDA runtime and of cuBLAS, on the host: what tests say to it and ask of it.
// native/cuda is compiled against NVIDIA's own headers and linked with this instead of libcudart;
// kernels are compiled for the host (launch.h).
//
// Stricter than a GPU:
//  - Nothing runs when it is called. Kernels, asynchronous copies, cuBLAS calls and library plans
//    queue on their stream, and run when something waits for them: streams in a random order drawn
//    from the seed, each in its own order, events respected. A wait runs what it waits for, and by
//    chance more. What a missing dependency leaves to luck on a GPU gives wrong numbers here.
//  - Device memory cannot be touched by the host outside of work that runs: that is a fault, as it
//    is on a GPU. Fresh memory is all ones (NaN). Freed memory stays unreadable and its addresses
//    are not handed out again soon. Bytes before each allocation, and a page after it, are guarded.
//    A free does not wait for the work that uses the memory.
//  - Work that touches what it may not, pinned memory after its release too, makes its device fail
//    for good (cudaErrorIllegalAddress). Memory of another device counts as such.
//  - The default streams serve nothing. cudaMemcpy works, and waits for no stream that was made
//    non-blocking.
//  - Asynchronous copies need pinned memory, the direction that the pointers have, and stay within
//    one allocation.
//  - Handles are never reused, and each belongs to the device that was current when it was made,
//    which must be current when it is used.
//  - Kernels run their elements, blocks and threads in shuffled order; shared memory starts as NaN.
//    Pointers to ordinary host memory in a kernel's arguments are refused.
//  - While its stream is captured, a thread may call nothing that waits, allocates or frees.
//  - cuBLAS needs a workspace that was set after the stream, and scribbles over it.
// Laxer: no limits on the grid; within a kernel no thread runs beside another; one process's work
// has one order at a time (no true concurrency); pinned memory is not scarce.
//
// A breach that a GPU would not report for certain is a violation: it is written to stderr, kept
// for tests, and makes the call fail.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace neuronode::cuda::emulation {

// What the machine looks like. Environment variables in brackets.
struct Settings {
  uint64_t seed = 1;                       // NEURONODE_EMULATED_SEED
  int devices = 1;                         // NEURONODE_EMULATED_DEVICES
  size_t memory = size_t{4} << 30;         // NEURONODE_EMULATED_MEMORY: bytes of each device
  int driver = 13000;                      // NEURONODE_EMULATED_DRIVER; 0: there is none
  int computeMajor = 9, computeMinor = 0;  // NEURONODE_EMULATED_COMPUTE, such as 7.5
  std::string fault = "";                  // NEURONODE_EMULATED_FAULT: see failBy

  // Throws std::invalid_argument where a variable is set to what it cannot be.
  static Settings fromEnvironment();
};

// Forgets everything, handles and memory included, and starts anew. No other thread may be in a
// call.
void reset(const Settings& settings = Settings::fromEnvironment());
// Draws another order from now on.
void seed(uint64_t value);

// Breaches so far; takes them, so that the next call tells of later ones only.
std::vector<std::string> violations();

// What was made and not yet released.
struct Live {
  size_t deviceBytes = 0, pinnedBytes = 0;
  int allocations = 0;  // of both kinds
  int streams = 0, events = 0, graphs = 0, execs = 0, captures = 0;
  int blasHandles = 0, descriptors = 0;
  bool none() const;
  std::string text() const;
};
Live live();

// How a call fails. Natural: out of memory where the call allocates, not supported elsewhere.
// Sticky: the device has failed for good.
enum class Fault { Natural, OutOfMemory, NotSupported, Sticky };

// The n-th call from now, 1 being the next; of those to `name` only where one is given. A call that
// releases something releases it all the same.
void failCall(uint64_t n, Fault kind = Fault::Natural);
void failCall(const std::string& name, uint64_t n, Fault kind = Fault::Natural);
// The n-th piece of work to run from now fails, as a kernel that trapped: its device with it.
void failWork(uint64_t n);
// "N", "name:N" or "work:N", and ":memory", ":unsupported" or ":sticky" behind if so wished.
void failBy(const std::string& text);
void failNothing();
// The call or the work that was made to fail, empty while none was.
std::string failed();
// Calls since the reset, and work that has run.
uint64_t calls();
uint64_t workDone();

// For the imitations of further libraries.

// Thrown by work that does what a device cannot do.
struct DeviceFault : std::runtime_error {
  DeviceFault(cudaError_t status, const std::string& what)
      : std::runtime_error(what), status(status) {}
  cudaError_t status;
};
// Counts as a call named `name`, which may be made to fail; then queues `work` on the stream.
cudaError_t enqueue(cudaStream_t stream, const char* name, std::function<void()> work);
// Inside of work: throws DeviceFault unless all of it is live memory of the device that runs.
void requireDevice(const void* pointer, size_t bytes, const char* what);
// Inside of work: what a library leaves behind in the workspace it was given. Checks it too.
void scribble(void* workspace, size_t bytes);
// Records a breach.
void violate(const std::string& text);

}  // namespace neuronode::cuda::emulation
