#include "math/mt19937.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace neuronode::math {
namespace {

// Seeded as the reference code and the standard's generator.
Mt19937 seeded(uint32_t seed) {
  Mt19937 generator;
  generator.words[0] = seed;
  for (uint32_t i = 1; i < Mt19937::kWords; ++i) {
    const uint32_t previous = generator.words[i - 1];
    generator.words[i] = 1812433253u * (previous ^ (previous >> 30)) + i;
  }
  return generator;
}

float expected(std::mt19937& standard, float from, float to) {
  const double scale = static_cast<double>(to - from) / 16777216.0;
  return static_cast<float>((standard() & 0xffffffu) * scale + from);
}

TEST(Mt19937, DrawsTheStandardsNumbersInAnyPieces) {
  std::mt19937 standard(5489);
  Mt19937 generator = seeded(5489);
  for (const size_t count : {size_t{1}, size_t{622}, size_t{1}, size_t{1}, size_t{0}, size_t{624},
                             size_t{3000}, size_t{7}}) {
    std::vector<float> values(count + 1, -7.0f);
    generator.fillUniform(values.data(), count, -0.25, 0.75);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(values[i], expected(standard, -0.25f, 0.75f)) << i;
    EXPECT_EQ(values[count], -7.0f);
  }
}

TEST(Mt19937, GoesOnInTheMidstOfAState) {
  std::mt19937 standard(7);
  Mt19937 first = seeded(7);
  std::vector<float> values(300);
  first.fillUniform(values.data(), values.size(), 0, 1);
  standard.discard(values.size());
  Mt19937 second = first;
  values.resize(1000);
  second.fillUniform(values.data(), values.size(), -1, 1);
  for (const float value : values) EXPECT_EQ(value, expected(standard, -1.0f, 1.0f));
}

}  // namespace
}  // namespace neuronode::math
