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
#error "elementwise_parallel.h belongs into files compiled once per instruction set"
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
template <int V>
struct Lanes {
  typedef float F __attribute__((vector_size(4 * V), aligned(4), may_alias));
  typedef int32_t I __attribute__((vector_size(4 * V), aligned(4), may_alias));
  typedef double D __attribute__((vector_size(8 * V), aligned(8), may_alias));
  typedef uint8_t B __attribute__((vector_size(V), aligned(1), may_alias));
};
template <>
struct Lanes<1> {
  using F = float;
  using I = int32_t;
  using D = double;
  using B = uint8_t;
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
