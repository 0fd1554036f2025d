// bfloat16, the upper half of an f32, held as its bits.
//
// Policy: rounded to nearest, ties to even; overflow gives infinity, and NaN stays NaN.
#pragma once

#include <cstdint>
#include <cstring>

#include "math/macros.h"

namespace neuronode::math {

NN_HD float fromBf16(uint16_t x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

NN_HD uint16_t toBf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  // A NaN whose set bits all lie in the lower half would become infinity: make it a quiet one.
  const uint32_t quiet = (bits >> 16) | 0x40u;
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(x != x ? quiet : rounded);
}

/// x as bf16 holds it.
NN_HD float roundToBf16(float x) { return fromBf16(toBf16(x)); }

}  // namespace neuronode::math
