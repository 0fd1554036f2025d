// The vector type of the Winograd kernels: kLanes floats, one channel block of an activation.
//
// Included only by files that are compiled once per instruction set with NN_ISA defined; everything
// lives in that instruction set's namespace, so that no inline function compiled for a newer
// processor can be linked into code for an older one.
#pragma once

#include <cstddef>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

// Vectors wider than the baseline's registers are passed only between inlined functions.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace neuronode::NN_ISA {

#if defined(NN_WINOGRAD_LANES)
constexpr int kLanes = NN_WINOGRAD_LANES;  // tests run the 16-lane code without AVX-512
#elif defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef float UnalignedVec
    __attribute__((vector_size(kLanes * sizeof(float)), aligned(alignof(float)), may_alias));

#define NN_INLINE inline __attribute__((always_inline))

NN_INLINE Vec load(const float* from) { return *reinterpret_cast<const UnalignedVec*>(from); }

NN_INLINE void store(float* to, const Vec& value) { *reinterpret_cast<UnalignedVec*>(to) = value; }

// x - 0 is x, signed zeros included, so nothing but the broadcast remains.
NN_INLINE Vec splat(float value) { return value - Vec{}; }

// a * b + c, rounded once where the instruction set has it, whatever -ffp-contract says.
NN_INLINE Vec multiplyAdd(const Vec& a, const Vec& b, const Vec& c) {
#if defined(__AVX512F__)
  static_assert(kLanes == 16);
  return static_cast<Vec>(_mm512_fmadd_ps(a, b, c));
#elif defined(__FMA__) && !defined(NN_WINOGRAD_LANES)
  return static_cast<Vec>(_mm256_fmadd_ps(a, b, c));
#else
  return a * b + c;
#endif
}

}  // namespace neuronode::NN_ISA
