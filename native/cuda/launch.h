// The one way to launch a kernel. A kernel is a functor, plain data taken by value:
//
//   launchElements: `void operator()(int64_t i) const` for every i in [0, count), in any order; the
//     real launch is a grid-stride loop.
//   launchBlocks: a block of Body::kThreads threads goes through Body::kPhases phases, and a
//     barrier lies between any two; `template <int P> void phase(Block, Shared&) const`. What one
//     phase hands to the next goes through Shared: locals do not survive, and within a phase
//     threads run in any order.
//
// Functions of a body are NN_DEVICE. In the host emulation (NN_CUDA_EMULATION) the same functors
// run on the CPU when the emulated stream gets to them.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "status.h"

#if defined(NN_CUDA_EMULATION)
#include <cstring>
#include <numeric>
#include <type_traits>
#endif

#if defined(__CUDACC__)
#define NN_DEVICE __device__ __forceinline__
#else
#define NN_DEVICE inline
#endif

namespace neuronode::cuda {

// A thread's place.
struct Block {
  int64_t index;  // of the block
  int thread;     // 0 .. Body::kThreads - 1
};

struct NoShared {};

#if defined(NN_CUDA_EMULATION)

namespace emulation {
// Queues `run` on the stream; it is called once, when the stream gets there, with every thread's
// writes already allowed to reach device memory.
cudaError_t launch(cudaStream_t stream, const char* name, int64_t work,
                   void (*run)(const void* body, int64_t work, uint64_t seed), const void* body,
                   size_t bodyBytes);
// Every number of [0, count) once, in an order drawn from the seed.
class Walk {
 public:
  Walk(int64_t count, uint64_t seed)
      : count_(count),
        at_(static_cast<int64_t>(seed % static_cast<uint64_t>(count))),
        stride_(static_cast<int64_t>((seed >> 20) % static_cast<uint64_t>(count))) {
    while (std::gcd(stride_, count_) != 1) ++stride_;
  }
  int64_t next() {
    const int64_t here = at_;
    at_ += stride_;
    if (at_ >= count_) at_ -= count_;
    return here;
  }

 private:
  int64_t count_, at_, stride_;
};
// The longest run of neighbours among elements that are not shuffled.
inline constexpr int64_t kMostInOrder = 1024;

// The same with zeros in the gaps between members, where garbage might look like a pointer.
template <class Body>
Body withoutGarbage(Body body) {
  __builtin_clear_padding(&body);
  return body;
}
}  // namespace emulation

template <class Body>
void launchElements(cudaStream_t stream, const char* name, int64_t count, const Body& body) {
  if (count == 0) return;
  static_assert(std::is_trivially_copyable_v<Body>, "a kernel's body is copied as bytes");
  const auto run = [](const void* copy, int64_t work, uint64_t seed) {
    const Body& self = *static_cast<const Body*>(copy);
    const int64_t length = std::clamp<int64_t>(work / 64, 1, emulation::kMostInOrder);
    const int64_t runs = (work + length - 1) / length;
    emulation::Walk order(runs, seed);
    for (int64_t i = 0; i < runs; ++i) {
      const int64_t begin = order.next() * length, end = std::min(work, begin + length);
      if (seed & 1) {
        for (int64_t j = begin; j < end; ++j) self(j);
      } else {
        for (int64_t j = end - 1; j >= begin; --j) self(j);
      }
    }
  };
  Body copy = body;
  __builtin_clear_padding(&copy);  // the emulation looks for the host's pointers in it
  checkCuda(emulation::launch(stream, name, count, run, &copy, sizeof copy), name);
}

template <class Body, int kPhase>
void runPhases(const Body& body, int64_t block, typename Body::Shared& shared, uint64_t seed) {
  if constexpr (kPhase < Body::kPhases) {
    emulation::Walk order(Body::kThreads, seed + kPhase * 0x9E3779B97F4A7C15);
    for (int i = 0; i < Body::kThreads; ++i) {
      body.template phase<kPhase>(Block{block, static_cast<int>(order.next())}, shared);
    }
    runPhases<Body, kPhase + 1>(body, block, shared, seed);
  }
}

template <class Body>
void launchBlocks(cudaStream_t stream, const char* name, int64_t blocks, const Body& body) {
  if (blocks == 0) return;
  static_assert(std::is_trivially_copyable_v<Body>, "a kernel's body is copied as bytes");
  static_assert(sizeof(typename Body::Shared) <= 48 << 10, "more shared memory than a block has");
  static_assert(Body::kThreads <= 1024, "more threads than a block has");
  const auto run = [](const void* copy, int64_t work, uint64_t seed) {
    const Body& self = *static_cast<const Body*>(copy);
    emulation::Walk order(work, seed);
    for (int64_t i = 0; i < work; ++i) {
      typename Body::Shared shared;
      std::memset(static_cast<void*>(&shared), 0xFF, sizeof shared);  // NaN
      runPhases<Body, 0>(self, order.next(), shared, seed);
    }
  };
  Body copy = body;
  __builtin_clear_padding(&copy);  // the emulation looks for the host's pointers in it
  checkCuda(emulation::launch(stream, name, blocks, run, &copy, sizeof copy), name);
}

#elif defined(__CUDACC__)

template <class Body>
__global__ void __launch_bounds__(256) elementsKernel(int64_t count, const Body body) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += stride) {
    body(i);
  }
}

template <class Body, int kPhase>
__device__ __forceinline__ void runPhases(const Body& body, const Block& block,
                                          typename Body::Shared& shared) {
  if constexpr (kPhase < Body::kPhases) {
    if constexpr (kPhase > 0) __syncthreads();
    body.template phase<kPhase>(block, shared);
    runPhases<Body, kPhase + 1>(body, block, shared);
  }
}

// Blocks that a multiprocessor is to hold at once, where a body names them: the compiler then takes
// as many registers as that leaves. Otherwise it trades registers for blocks as it sees fit.
template <class Body>
constexpr int fewestBlocks() {
  if constexpr (requires { Body::kFewestBlocks; }) {
    return Body::kFewestBlocks;
  } else {
    return 0;
  }
}

template <class Body>
__global__ void __launch_bounds__(Body::kThreads, fewestBlocks<Body>())
    blocksKernel(int64_t blocks, const Body body) {
  __shared__ typename Body::Shared shared;
  for (int64_t i = blockIdx.x; i < blocks; i += gridDim.x) {
    runPhases<Body, 0>(body, Block{i, static_cast<int>(threadIdx.x)}, shared);
    __syncthreads();
  }
}

inline constexpr int64_t kMostBlocks = 65535;

template <class Body>
void launchElements(cudaStream_t stream, const char* name, int64_t count, const Body& body) {
  if (count == 0) return;
  constexpr int kThreads = 256;
  const int64_t blocks = std::min((count + kThreads - 1) / kThreads, kMostBlocks);
  elementsKernel<Body><<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(count, body);
  checkCuda(cudaGetLastError(), name);
}

template <class Body>
void launchBlocks(cudaStream_t stream, const char* name, int64_t blocks, const Body& body) {
  if (blocks == 0) return;
  const auto grid = static_cast<unsigned>(std::min(blocks, kMostBlocks));
  blocksKernel<Body><<<grid, Body::kThreads, 0, stream>>>(blocks, body);
  checkCuda(cudaGetLastError(), name);
}

#endif

}  // namespace neuronode::cuda
