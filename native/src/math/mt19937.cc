#include "math/mt19937.h"

#include <algorithm>

namespace neuronode::math {

namespace {

constexpr size_t kShift = 397;

uint32_t twist(uint32_t current, uint32_t following) {
  const uint32_t mixed = (current & 0x80000000u) | (following & 0x7fffffffu);
  return (mixed >> 1) ^ (-(mixed & 1u) & 0x9908b0dfu);
}

uint32_t temper(uint32_t word) {
  word ^= word >> 11;
  word ^= (word << 7) & 0x9d2c5680u;
  word ^= (word << 15) & 0xefc60000u;
  return word ^ (word >> 18);
}

}  // namespace

// Each loop reads what it wrote at least 227 words before, so that it can be vectorised.
void Mt19937::refill() {
  uint32_t* state = words.data();
  for (size_t i = 0; i < kWords - kShift; ++i) {
    state[i] = state[i + kShift] ^ twist(state[i], state[i + 1]);
  }
  for (size_t i = kWords - kShift; i < kWords - 1; ++i) {
    state[i] = state[i + kShift - kWords] ^ twist(state[i], state[i + 1]);
  }
  state[kWords - 1] = state[kShift - 1] ^ twist(state[kWords - 1], state[0]);
  next = 0;
}

void Mt19937::fillUniform(float* out, size_t count, double from, double to) {
  const auto start = static_cast<float>(from), end = static_cast<float>(to);
  const double low = start;
  // 24 random bits as a fraction, scaled and moved with one rounding to f32. The product of 24 bits
  // and a scale of 24 is exact in double precision.
  const double scale = static_cast<float>(end - start) / 16777216.0;
  while (count > 0) {
    if (next == kWords) refill();
    const size_t part = std::min(kWords - next, count);
    const uint32_t* drawn = words.data() + next;
    for (size_t i = 0; i < part; ++i) {
      // Signed, which vector units convert.
      const auto bits = static_cast<int32_t>(temper(drawn[i]) & 0xffffffu);
      const auto value = static_cast<float>(bits * scale + low);
      // Rounding may have moved it to the end, which is not of the interval.
      out[i] = value == end ? start : value;
    }
    next += part;
    out += part;
    count -= part;
  }
}

uint32_t Mt19937::draw() {
  if (next == kWords) refill();
  return temper(words[next++]);
}

void Mt19937::skip(size_t count) {
  while (count > 0) {
    if (next == kWords) refill();
    const size_t part = std::min(kWords - next, count);
    next += part;
    count -= part;
  }
}

}  // namespace neuronode::math
