// How kernels read and write floats: always as f32 in registers, packed into 16-byte accesses where
// memory is aligned for them.
//
// Policy: T is float, or uint16_t for bf16. A kernel's host side picks the pack; its device side
// never checks alignment. Packs of bytes and words serve pooling's indices.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <limits>

#include "floats.h"
#include "launch.h"
#include "math/bf16.h"
#include "math/macros.h"

namespace neuronode::cuda {

// As values, which device code may use where it may not call std::numeric_limits.
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};

// Elements of T in 16 bytes.
template <class T>
inline constexpr int kPack = 16 / sizeof(T);

NN_DEVICE float widen(float x) { return x; }
NN_DEVICE float widen(uint16_t x) { return math::fromBf16(x); }

template <class T>
NN_DEVICE T narrow(float x) {
  if constexpr (sizeof(T) == sizeof(uint16_t)) {
    return math::toBf16(x);
  } else {
    return x;
  }
}

// N elements, N * sizeof(T) a multiple of 16 or less than it: aligned to the smaller of the two.
template <int N, class T>
NN_DEVICE void load(const T* from, float (&to)[N]) {
  constexpr int kStep = N < kPack<T> ? N : kPack<T>;
  NN_UNROLL
  for (int i = 0; i < N; i += kStep) {
    const auto pack = *reinterpret_cast<const Pack<T, kStep>*>(from + i);
    NN_UNROLL
    for (int j = 0; j < kStep; ++j) to[i + j] = widen(pack.at[j]);
  }
}

template <int N, class T>
NN_DEVICE void store(T* to, const float (&from)[N]) {
  constexpr int kStep = N < kPack<T> ? N : kPack<T>;
  NN_UNROLL
  for (int i = 0; i < N; i += kStep) {
    Pack<T, kStep> pack;
    NN_UNROLL
    for (int j = 0; j < kStep; ++j) pack.at[j] = narrow<T>(from[i + j]);
    *reinterpret_cast<Pack<T, kStep>*>(to + i) = pack;
  }
}

// One element of either storage.
NN_DEVICE float loadAt(const Floats& x, int64_t i) {
  return x.storage == Storage::F32 ? static_cast<const float*>(x.at)[i]
                                   : math::fromBf16(static_cast<const uint16_t*>(x.at)[i]);
}

NN_DEVICE void storeAt(const Floats& x, int64_t i, float value) {
  if (x.storage == Storage::F32) {
    static_cast<float*>(x.at)[i] = value;
  } else {
    static_cast<uint16_t*>(x.at)[i] = math::toBf16(value);
  }
}

// A pointer that a kernel found in memory rather than among its arguments: tells the compiler that
// it is one to global memory.
template <class T>
NN_DEVICE T* inGlobal(T* pointer) {
#if defined(__CUDA_ARCH__)
  __builtin_assume(__isGlobal(pointer));
#endif
  return pointer;
}

inline bool isAligned(const void* at, size_t bytes = 16) {
  return reinterpret_cast<uintptr_t>(at) % bytes == 0;
}

// Calls fn with a value of the type that `storage` stores.
template <class Fn>
void withStorage(Storage storage, Fn fn) {
  if (storage == Storage::F32) {
    fn(float{});
  } else {
    fn(uint16_t{});
  }
}

}  // namespace neuronode::cuda
