// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3" (2011), and the dropout decision drawn from it.
//
// Policy: element e of a tensor in plain order reads word e % 4 of
// philox(counter = {e/4 low, e/4 high, step, stream}, key = {seed low, seed high}).
#pragma once

#include <cmath>
#include <cstdint>

#include "math/macros.h"

namespace neuronode::math {

/// Ten rounds on counter c0..c3 in place. Scalars instead of an array, so that loops vectorise.
NN_HD void philox(uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3, uint32_t key0,
                  uint32_t key1) {
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    const uint64_t product1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ key0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ key1;
    c3 = static_cast<uint32_t>(product0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

struct DropoutScalars {
  uint32_t threshold;  // of 2^24: an element is kept if its 24-bit number reaches it
  float scale;         // 1 / (1 - p), and 0 for p = 1
};

/// keep = uniform >= p for a uniform number of 24 bits in [0, 1), compared exactly, as integers.
inline DropoutScalars dropoutScalars(double p) {
  return {static_cast<uint32_t>(std::ceil(p * 16777216.0)),
          p < 1.0 ? static_cast<float>(1.0 / (1.0 - p)) : 0.0f};
}

NN_HD float dropoutElement(float x, uint32_t word, const DropoutScalars& s) {
  // Both sides are below 2^25, so that the comparison may be the signed one that vector units have.
  return static_cast<int32_t>(word >> 8) >= static_cast<int32_t>(s.threshold) ? x * s.scale : 0.0f;
}

}  // namespace neuronode::math
