// Dropout with a recomputed Philox mask; see cpu/dropout.h.
#include "cpu/dropout.h"

#include "cpu/elementwise_parallel.h"
#include "math/philox.h"

namespace neuronode::NN_ISA {
namespace {

/// Counters that are worked on side by side.
constexpr int64_t kCounters = 64;
/// Elements whose random words fillWords writes at most.
constexpr int64_t kWords = 4 * kCounters;

/// Writes the random words of elements [4*quad, 4*quad + kWords) in order.
void fillQuads(uint64_t quad, const DropoutMask& mask, uint32_t* words) {
  uint32_t c0[kCounters], c1[kCounters], c2[kCounters], c3[kCounters];
  const uint32_t key0 = static_cast<uint32_t>(mask.seed);
  const uint32_t key1 = static_cast<uint32_t>(mask.seed >> 32);
  const uint32_t step = mask.step, stream = mask.stream;
#pragma omp simd
  for (int64_t i = 0; i < kCounters; ++i) {
    const uint64_t counter = quad + static_cast<uint64_t>(i);
    uint32_t w0 = static_cast<uint32_t>(counter), w1 = static_cast<uint32_t>(counter >> 32);
    uint32_t w2 = step, w3 = stream;
    math::philox(w0, w1, w2, w3, key0, key1);
    c0[i] = w0;
    c1[i] = w1;
    c2[i] = w2;
    c3[i] = w3;
  }
  for (int64_t i = 0; i < kCounters; ++i) {
    words[4 * i] = c0[i];
    words[4 * i + 1] = c1[i];
    words[4 * i + 2] = c2[i];
    words[4 * i + 3] = c3[i];
  }
}

void applyPlain(const float* x, float* y, int64_t n, const DropoutMask& mask) {
  const math::DropoutScalars scalars = math::dropoutScalars(mask.p);
  parallelPieces(n, [=](int64_t begin, int64_t end) {
    uint32_t words[kWords];
    for (int64_t first = begin; first < end; first += kWords) {
      fillQuads(static_cast<uint64_t>(first) / 4, mask, words);
      const int64_t count = std::min(kWords, end - first);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) {
        y[first + i] = math::dropoutElement(x[first + i], words[i], scalars);
      }
    }
  });
}

void applyBlocked(const float* x, float* y, const PlaneShape& shape, const DropoutMask& mask) {
  const math::DropoutScalars scalars = math::dropoutScalars(mask.p);
  const int64_t groups = shape.groups(), block = shape.block, hw = shape.hw, c = shape.c;
  parallelItems(shape.n * groups, hw * block, [=](int64_t plane) {
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
          to[at] = math::dropoutElement(from[at], words[i - e], scalars);
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
