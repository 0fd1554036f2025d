// Dropout with a recomputed Philox mask; see cpu/dropout/dropout.h.
#include "cpu/dropout/dropout.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "cpu/parallel.h"
#include "math/philox.h"

namespace neuronode::NN_ISA {
namespace {

// GCC finds no single instruction for the widening multiplication, so that it is named here.
#if defined(__AVX512F__)
typedef uint64_t Words __attribute__((vector_size(64)));
struct Multiply {
  Words operator()(Words a, uint64_t b) const {
    // The form with a mask, all of it set: GCC 12 warns about its own header for the plain one.
    return (Words)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)(Words{} + b));
  }
};
#elif defined(__AVX2__)
typedef uint64_t Words __attribute__((vector_size(32)));
struct Multiply {
  Words operator()(Words a, uint64_t b) const {
    return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)(Words{} + b));
  }
};
#elif defined(__x86_64__)
typedef uint64_t Words __attribute__((vector_size(16)));
struct Multiply {
  Words operator()(Words a, uint64_t b) const {
    return (Words)_mm_mul_epu32((__m128i)a, (__m128i)(Words{} + b));
  }
};
#else
using Words = uint64_t;
using Multiply = math::MultiplyLow32;
#endif

constexpr int64_t kLanes = sizeof(Words) / sizeof(uint64_t);
/// Counters in one batch, and the elements that read their words.
constexpr int64_t kCounters = 64;
constexpr int64_t kWords = 4 * kCounters;

/// Writes the random words of elements [4*quad, 4*quad + kWords) in order.
void fillQuads(uint64_t quad, const DropoutMask& mask, uint32_t* words) {
  const uint64_t key0 = mask.seed & 0xffffffffu, key1 = mask.seed >> 32;
  uint64_t pairs[2][kCounters];
  uint64_t counters[kCounters];
  for (int64_t i = 0; i < kCounters; ++i) counters[i] = quad + static_cast<uint64_t>(i);
  for (int64_t i = 0; i < kCounters; i += kLanes) {
    Words c0;
    std::memcpy(&c0, counters + i, sizeof c0);
    Words c1 = c0 >> 32;
    Words c2 = Words{} + mask.step;
    Words c3 = Words{} + mask.stream;
    math::philox(c0, c1, c2, c3, key0, key1, Multiply{});
    const Words first = (c0 & 0xffffffffu) | (c1 << 32);
    const Words second = (c2 & 0xffffffffu) | (c3 << 32);
    std::memcpy(pairs[0] + i, &first, sizeof first);
    std::memcpy(pairs[1] + i, &second, sizeof second);
  }
  for (int64_t i = 0; i < kCounters; ++i) {
    words[4 * i] = static_cast<uint32_t>(pairs[0][i]);
    words[4 * i + 1] = static_cast<uint32_t>(pairs[0][i] >> 32);
    words[4 * i + 2] = static_cast<uint32_t>(pairs[1][i]);
    words[4 * i + 3] = static_cast<uint32_t>(pairs[1][i] >> 32);
  }
}

void applyPlain(const float* x, float* y, int64_t n, const DropoutMask& mask) {
  const math::DropoutScalars scalars = math::dropoutScalars(mask.p);
  parallelPieces(n, [=](int64_t begin, int64_t end) {
    const math::DropoutScalars s = scalars;  // a local, which no store to y can change
    uint32_t words[kWords];
    for (int64_t first = begin; first < end; first += kWords) {
      fillQuads(static_cast<uint64_t>(first) / 4, mask, words);
      const int64_t count = std::min(kWords, end - first);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) {
        y[first + i] = math::dropoutElement(x[first + i], words[i], s);
      }
    }
  });
}

void applyBlocked(const float* x, float* y, const PlaneShape& shape, const DropoutMask& mask) {
  const math::DropoutScalars scalars = math::dropoutScalars(mask.p);
  const int64_t groups = shape.groups(), block = shape.block, hw = shape.hw, c = shape.c;
  parallelItems(shape.n * groups, hw * block, [=](int64_t plane) {
    const math::DropoutScalars s = scalars;
    const int64_t n = plane / groups;
    const int64_t firstChannel = plane % groups * block;
    const float* from = x + plane * hw * block;
    float* to = y + plane * hw * block;
    for (int64_t lane = 0; lane < block; ++lane) {
      if (firstChannel + lane >= c) {
        for (int64_t i = 0; i < hw; ++i) to[i * block + lane] = 0.0f;
        continue;
      }
      // The channel's pixels in plain order need not start at a multiple of four.
      const int64_t base = (n * c + firstChannel + lane) * hw;
      uint32_t words[kWords];
      for (int64_t e = base & ~int64_t{3}; e < base + hw; e += kWords) {
        fillQuads(static_cast<uint64_t>(e) / 4, mask, words);
        const int64_t begin = std::max(e, base);
        const int64_t end = std::min(e + kWords, base + hw);
        for (int64_t i = begin; i < end; ++i) {
          const int64_t at = (i - base) * block + lane;
          to[at] = math::dropoutElement(from[at], words[i - e], s);
        }
      }
    }
  });
}

void apply(const float* x, float* y, const PlaneShape& shape, const DropoutMask& mask) {
  const int64_t elements = shape.elements();
  if (mask.p <= 0.0) {
    parallelPieces(elements, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = x[i];
    });
  } else if (shape.block == 1) {
    applyPlain(x, y, elements, mask);
  } else {
    applyBlocked(x, y, shape, mask);
  }
}

}  // namespace

extern const DropoutKernels dropoutTable;
const DropoutKernels dropoutTable = {apply};

}  // namespace neuronode::NN_ISA
