#include "math/random_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace neuronode::math {
namespace {

// Seeded as torch.manual_seed.
RandomStream seeded(uint32_t seed) {
  RandomStream stream;
  uint32_t* words = stream.bits.words.data();
  words[0] = seed;
  for (uint32_t i = 1; i < Mt19937::kWords; ++i) {
    const uint32_t previous = words[i - 1];
    words[i] = 1812433253u * (previous ^ (previous >> 30)) + i;
  }
  return stream;
}

constexpr float kGuard = -77.0f;

std::vector<float> filled(RandomStream& stream, size_t count, const Distribution& distribution) {
  std::vector<float> values(count + 1, kGuard);
  stream.fill(values.data(), count, distribution);
  EXPECT_EQ(values.back(), kGuard);
  values.pop_back();
  return values;
}

// torch.manual_seed(0); torch.empty(18).normal_()
TEST(RandomStream, DrawsPyTorchsNormalNumbersInBlocks) {
  RandomStream stream = seeded(0);
  const std::vector<float> values = filled(stream, 18, Normal{0, 1});
  const std::vector<float> expected = {
      -1.12583983, -1.1523602, 0.56665063, 0.79350835,  0.59883946,  -1.55509508,
      -0.34136039, 1.85300612, 0.46809641, -0.15771244, -0.17339675, 0.18347794,
      1.38936615,  1.58633423, 0.94629836, -0.84367675, 0.93182659,  1.25900924};
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1.5e-6) << i;
}

// torch.manual_seed(0); torch.empty(3).normal_(1, 2), then torch.empty(2).normal_(1, 2)
TEST(RandomStream, KeepsTheSecondOfTwoNumbersThatAreDrawnOneByOne) {
  RandomStream stream = seeded(0);
  std::vector<float> values = filled(stream, 3, Normal{1, 2});
  EXPECT_FALSE(std::isnan(stream.spare));
  const std::vector<float> more = filled(stream, 2, Normal{1, 2});
  values.insert(values.end(), more.begin(), more.end());
  const std::vector<float> expected = {4.08199215, 0.41314217, -3.35757875, 2.13686252,
                                       -1.16904473};
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-6) << i;
}

TEST(RandomStream, HasTheMeanAndDeviationThatWereAskedFor) {
  RandomStream stream = seeded(1);
  const std::vector<float> values = filled(stream, 100'003, Normal{3, 0.5});
  double sum = 0, squares = 0;
  for (const double value : values) {
    sum += value - 3;
    squares += (value - 3) * (value - 3);
  }
  EXPECT_NEAR(sum / values.size(), 0, 0.005);
  EXPECT_NEAR(std::sqrt(squares / values.size()), 0.5, 0.005);
}

TEST(RandomStream, TruncatesInEitherWay) {
  RandomStream stream = seeded(2);
  for (const bool byNormals : {true, false}) {
    for (const size_t count : {size_t{0}, size_t{1}, size_t{16}, size_t{4097}}) {
      const TruncatedNormal normal{0, 1, -0.5, 1.25, byNormals};
      const std::vector<float> values = filled(stream, count, normal);
      for (const float value : values) {
        EXPECT_GE(value, -0.5f);
        EXPECT_LE(value, 1.25f);
      }
      if (count < 4097) continue;
      // Means of the truncated distribution, by its density at the ends.
      const double mean = std::accumulate(values.begin(), values.end(), 0.0) / values.size();
      EXPECT_NEAR(mean, 0.2892, 0.03);
    }
  }
}

TEST(Mt19937, LeavesTheEndOfAnIntervalOut) {
  RandomStream stream = seeded(3);
  // One step of f32 wide: half of the numbers would be rounded to its end.
  const double end = std::nextafter(1.0f, 2.0f);
  for (const float value : filled(stream, 1000, Uniform{1, end})) EXPECT_EQ(value, 1.0f);
}

TEST(Mt19937, SkipsWhatItWouldDraw) {
  for (const size_t count : {size_t{0}, size_t{5}, size_t{624}, size_t{2000}}) {
    RandomStream drawn = seeded(4), skipped = seeded(4);
    for (size_t i = 0; i < count; ++i) drawn.bits.draw();
    skipped.bits.skip(count);
    EXPECT_EQ(drawn.bits.draw(), skipped.bits.draw());
  }
}

}  // namespace
}  // namespace neuronode::math
