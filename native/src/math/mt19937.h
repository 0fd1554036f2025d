// The MT19937 generator (Matsumoto and Nishimura, 1998) from a state on, for arrays of many
// numbers: what ts/src/random/mt19937.ts does one by one, bit for bit.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace neuronode::math {

struct Mt19937 {
  static constexpr size_t kWords = 624;

  std::array<uint32_t, kWords> words;
  size_t next = kWords;  // the first word that is not used yet

  // Uniform numbers on [from, to), as PyTorch's Tensor.uniform_ draws them on the CPU.
  void fillUniform(float* out, size_t count, double from, double to);

  // The next 32 random bits.
  uint32_t draw();

  // Leaves out as many words.
  void skip(size_t count);

 private:
  void refill();
};

}  // namespace neuronode::math
