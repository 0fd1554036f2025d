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

/// The 64-bit product of the low halves.
struct MultiplyLow32 {
  NN_HD uint64_t operator()(uint64_t a, uint64_t b) const {
    return static_cast<uint64_t>(static_cast<uint32_t>(a)) * static_cast<uint32_t>(b);
  }
};

/// Ten rounds on counter c0..c3 in place. Word is a 64-bit integer or a vector of them, of which
/// only the low halves count, before and after: that is the form in which vector units multiply 32
/// by 32 bits.
template <class Word, class Multiply>
NN_HD void philox(Word& c0, Word& c1, Word& c2, Word& c3, uint64_t key0, uint64_t key1,
                  Multiply multiply) {
  NN_UNROLL
  for (int round = 0; round < 10; ++round) {
    const Word product0 = multiply(c0, 0xD2511F53u);
    const Word product1 = multiply(c2, 0xCD9E8D57u);
    c0 = (product1 >> 32) ^ c1 ^ key0;
    c1 = product1;
    c2 = (product0 >> 32) ^ c3 ^ key1;
    c3 = product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

struct DropoutScalars {
  uint32_t threshold;  // of 2^24: an element is kept if its 24-bit number reaches it
  float scale;         // 1 / (1 - p), and 0 for p = 1
};

/// keep = uniform >= p for a uniform number of 24 bits in [0, 1), compared exactly, as integers.
NN_HD DropoutScalars dropoutScalars(double p) {
  return {static_cast<uint32_t>(std::ceil(p * 16777216.0)),
          p < 1.0 ? static_cast<float>(1.0 / (1.0 - p)) : 0.0f};
}

NN_HD float dropoutElement(float x, uint32_t word, const DropoutScalars& s) {
  // Both sides are below 2^25, so that the comparison may be the signed one that vector units have.
  const float scaled = x * s.scale;
  return static_cast<int32_t>(word >> 8) >= static_cast<int32_t>(s.threshold) ? scaled : 0.0f;
}

}  // namespace neuronode::math
