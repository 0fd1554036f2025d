// Loops that all memory-bound kernels share. Included by *.simd.cc files only.
//
// Policy: work is cut at fixed places that depend on the sizes alone; threads only choose who does
// which piece. So each element meets the same instructions (vector body or scalar rest, contracted
// or not) for every number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#ifndef NN_ISA
#error "parallel.h belongs into files compiled once per instruction set"
#endif

namespace neuronode::NN_ISA {

/// Below this many floats, waking the other threads costs more than they save.
constexpr int64_t kParallelFloats = 32768;
/// Floats in one piece; a multiple of every vector length and of Philox's four.
constexpr int64_t kPieceFloats = 4096;

/// Calls fn(begin, end) for pieces that cover [0, n).
template <class Fn>
inline void parallelPieces(int64_t n, Fn fn) {
  const int64_t pieces = (n + kPieceFloats - 1) / kPieceFloats;
#pragma omp parallel for schedule(static) if (n >= kParallelFloats)
  for (int64_t i = 0; i < pieces; ++i) {
    fn(i * kPieceFloats, std::min(n, (i + 1) * kPieceFloats));
  }
}

/// Calls fn(i) for i in [0, count), each touching about `floats` floats.
template <class Fn>
inline void parallelItems(int64_t count, int64_t floats, Fn fn) {
#pragma omp parallel for schedule(static) if (count > 1 && count * floats >= kParallelFloats)
  for (int64_t i = 0; i < count; ++i) fn(i);
}

/// V floats and V int32 side by side, as GCC vectors (split where the machine's are narrower), or
/// as scalars for V = 1: arithmetic, comparison and ?: read the same for both.
///
/// Values have a vector's own alignment, memory that of its elements: a type of lower alignment
/// must not become a variable, since templates and lambdas that take it by reference lose the
/// attribute and assume the vector's own. So memory is reached by load and store alone.
template <int V>
struct Lanes {
  typedef float F __attribute__((vector_size(4 * V)));
  typedef int32_t I __attribute__((vector_size(4 * V)));
  typedef double D __attribute__((vector_size(8 * V)));
  typedef uint8_t B __attribute__((vector_size(V)));

  [[gnu::always_inline]] static F load(const float* at) {
    return *reinterpret_cast<const FMemory*>(at);
  }
  [[gnu::always_inline]] static I load(const int32_t* at) {
    return *reinterpret_cast<const IMemory*>(at);
  }
  [[gnu::always_inline]] static B load(const uint8_t* at) {
    return *reinterpret_cast<const BMemory*>(at);
  }
  [[gnu::always_inline]] static void store(float* at, F value) {
    *reinterpret_cast<FMemory*>(at) = value;
  }
  [[gnu::always_inline]] static void store(int32_t* at, I value) {
    *reinterpret_cast<IMemory*>(at) = value;
  }
  [[gnu::always_inline]] static void store(uint8_t* at, B value) {
    *reinterpret_cast<BMemory*>(at) = value;
  }

 private:
  typedef float FMemory __attribute__((vector_size(4 * V), aligned(4), may_alias));
  typedef int32_t IMemory __attribute__((vector_size(4 * V), aligned(4), may_alias));
  typedef uint8_t BMemory __attribute__((vector_size(V), aligned(1), may_alias));
};
template <>
struct Lanes<1> {
  using F = float;
  using I = int32_t;
  using D = double;
  using B = uint8_t;

  template <class T>
  static T load(const T* at) {
    return *at;
  }
  template <class T>
  static void store(T* at, T value) {
    *at = value;
  }
};

template <class To, class From>
[[gnu::always_inline]] inline void convertLanes(const From& from, To& to) {
  if constexpr (std::is_arithmetic_v<From>) {
    to = static_cast<To>(from);
  } else {
    to = __builtin_convertvector(from, To);
  }
}

/// Calls fn(std::integral_constant<int, V>) for the layout's block.
template <class Fn>
inline void withBlock(int block, Fn fn) {
  if (block == 16) {
    fn(std::integral_constant<int, 16>{});
  } else if (block == 8) {
    fn(std::integral_constant<int, 8>{});
  } else {
    fn(std::integral_constant<int, 1>{});
  }
}

}  // namespace neuronode::NN_ISA
