// Where layouts place elements, against their definitions; bf16, against f64.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "error.h"
#include "layouts.h"
#include "math/bf16.h"

namespace neuronode::cuda {
namespace {

// Both directions of a map agree, and every element that the layout holds has one place.
void expectConsistent(const IndexMap& map) {
  std::vector<int> seen(static_cast<size_t>(map.plainCount), 0);
  for (int64_t p = 0; p < map.physicalCount; ++p) {
    const int64_t plain = map.plainOf(p);
    if (plain < 0) continue;
    ASSERT_LT(plain, map.plainCount);
    ++seen[static_cast<size_t>(plain)];
    ASSERT_EQ(map.physicalOf(plain), p);
  }
  for (int64_t plain = 0; plain < map.plainCount; ++plain) {
    const int64_t p = map.physicalOf(plain);
    ASSERT_EQ(seen[static_cast<size_t>(plain)], p < 0 ? 0 : 1) << plain;
  }
}

TEST(Layouts, PlainIsDenseUnlessPitched) {
  const IndexMap dense = indexMap({}, {2, 3, 4});
  EXPECT_TRUE(dense.isDense());
  EXPECT_EQ(dense.physicalCount, 24);
  EXPECT_EQ(dense.plainOf(17), 17);
  EXPECT_EQ(dense.physicalOf(17), 17);
  EXPECT_TRUE(indexMap({.rowPitch = 10}, {4, 10}).isDense());
  const IndexMap pitched = indexMap({.rowPitch = 16}, {4, 10});
  EXPECT_FALSE(pitched.isDense());
  EXPECT_EQ(pitched.physicalCount, 64);
  EXPECT_EQ(pitched.physicalOf(23), 2 * 16 + 3);
  EXPECT_EQ(pitched.plainOf(2 * 16 + 10), -1);
  expectConsistent(pitched);
  EXPECT_EQ(indexMap({}, {}).physicalCount, 1);      // a scalar
  EXPECT_EQ(indexMap({}, {0, 3}).physicalCount, 0);  // and nothing
  EXPECT_THROW(indexMap({.rowPitch = 8}, {4, 10}), Error);
  EXPECT_THROW(indexMap({.rowPitch = 8}, {4}), Error);
}

TEST(Layouts, ChannelsLast) {
  const int64_t n = 2, c = 5, h = 3, w = 4;
  const IndexMap map = indexMap({.order = Order::ChannelsLast}, {n, c, h, w});
  expectConsistent(map);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < c; ++k) {
      for (int64_t y = 0; y < h; ++y) {
        for (int64_t x = 0; x < w; ++x) {
          EXPECT_EQ(map.physicalOf(((i * c + k) * h + y) * w + x), ((i * h + y) * w + x) * c + k);
        }
      }
    }
  }
  // Where nothing moves the map says so.
  EXPECT_TRUE(indexMap({.order = Order::ChannelsLast}, {n, 1, h, w}).isDense());
  EXPECT_TRUE(indexMap({.order = Order::ChannelsLast}, {n, c, 1, 1}).isDense());
  EXPECT_TRUE(indexMap({.order = Order::ChannelsLast}, {n, c}).isDense());
  EXPECT_TRUE(indexMap({.order = Order::ChannelsLast}, {n}).isDense());
}

TEST(Layouts, FeaturesAreAFlattenedChannelsLastActivation) {
  const IndexMap activation = indexMap({.order = Order::ChannelsLast}, {3, 5, 2, 4});
  const IndexMap rows = indexMap({.order = Order::Features, .channels = 5}, {3, 40});
  expectConsistent(rows);
  for (int64_t i = 0; i < 120; ++i) EXPECT_EQ(rows.physicalOf(i), activation.physicalOf(i));
  EXPECT_THROW(indexMap({.order = Order::Features, .channels = 7}, {3, 40}), Error);
}

TEST(Layouts, SpaceToDepth) {
  struct Case {
    int64_t c, h, w, bh, bw, ph, pw, hs, ws;
  };
  const Case cases[] = {
      {1, 24, 24, 4, 4, 0, 0, 6, 6},  // every pixel, none twice
      {3, 11, 13, 2, 3, 1, 2, 7, 6},  // padding round it
      {2, 9, 9, 4, 4, 0, 0, 2, 2},    // the last row and column are read by no window
  };
  for (const Case& k : cases) {
    const IndexMap map = indexMap({.order = Order::SpaceToDepth,
                                   .blockH = k.bh,
                                   .blockW = k.bw,
                                   .padH = k.ph,
                                   .padW = k.pw,
                                   .extentH = k.hs,
                                   .extentW = k.ws},
                                  {2, k.c, k.h, k.w});
    expectConsistent(map);
    EXPECT_EQ(map.physicalCount, 2 * k.hs * k.ws * k.c * k.bh * k.bw);
    int64_t p = 0;
    for (int64_t n = 0; n < 2; ++n) {
      for (int64_t i = 0; i < k.hs; ++i) {
        for (int64_t j = 0; j < k.ws; ++j) {
          for (int64_t c = 0; c < k.c; ++c) {
            for (int64_t y = 0; y < k.bh; ++y) {
              for (int64_t x = 0; x < k.bw; ++x) {
                const int64_t row = i * k.bh + y - k.ph, column = j * k.bw + x - k.pw;
                const bool inside = row >= 0 && row < k.h && column >= 0 && column < k.w;
                ASSERT_EQ(map.plainOf(p++),
                          inside ? ((n * k.c + c) * k.h + row) * k.w + column : -1);
              }
            }
          }
        }
      }
    }
  }
}

TEST(Layouts, SpaceToDepthFilterPadsWhatLiesBeyondTheKernel) {
  const IndexMap map = indexMap(
      {.order = Order::SpaceToDepthFilter, .blockH = 4, .blockW = 4, .extentH = 3, .extentW = 3},
      {2, 3, 11, 11});
  expectConsistent(map);
  EXPECT_EQ(map.physicalCount, 2 * 144 * 3);
  for (int64_t plain = 0; plain < map.plainCount; ++plain) EXPECT_GE(map.physicalOf(plain), 0);
  // k = 1, i = 2, j = 1, c = 2, y = 2, x = 3: tap (10, 7), the last row that there is.
  EXPECT_EQ(map.plainOf(((((1 * 3 + 2) * 3 + 1) * 3 + 2) * 4 + 2) * 4 + 3),
            ((1 * 3 + 2) * 11 + 10) * 11 + 7);
  EXPECT_EQ(map.plainOf(((((1 * 3 + 2) * 3 + 1) * 3 + 2) * 4 + 3) * 4 + 3), -1);
}

TEST(Layouts, LargeTensorsHaveLargeIndices) {
  const int64_t n = 3, c = 1024, h = 1024, w = 1025;  // more elements than 32 bits count
  for (const LayoutInfo& info :
       {LayoutInfo{.order = Order::ChannelsLast}, LayoutInfo{.order = Order::SpaceToDepth,
                                                  .blockH = 4,
                                                  .blockW = 4,
                                                  .padH = 2,
                                                  .padW = 2,
                                                  .extentH = 257,
                                                  .extentW = 258}}) {
    const IndexMap map = indexMap(info, {n, c, h, w});
    for (int64_t plain = 5; plain < map.plainCount; plain += 100'000'007) {
      const int64_t p = map.physicalOf(plain);
      ASSERT_GE(p, 0);
      ASSERT_EQ(map.plainOf(p), plain);
    }
    const int64_t last = map.plainCount - 1;
    EXPECT_EQ(map.plainOf(map.physicalOf(last)), last);
  }
  // Rows whose padding takes the memory, not the tensor, past 32 bits.
  const IndexMap pitched = indexMap({.rowPitch = int64_t{1} << 33}, {3, 2});
  EXPECT_EQ(pitched.physicalOf(5), (int64_t{2} << 33) + 1);
  EXPECT_EQ(pitched.plainOf((int64_t{2} << 33) + 1), 5);
}

TEST(Layouts, TheTableGivesOneIdToEqualInfos) {
  LayoutTable table;
  EXPECT_EQ(table.id({}), Layout::Plain);
  const Layout last = table.id({.order = Order::ChannelsLast});
  EXPECT_EQ(static_cast<int>(last), kFirstRegisteredLayout);
  const LayoutInfo& info = table.info(last);
  const Layout half = table.id({.order = Order::ChannelsLast, .storage = Storage::BF16});
  EXPECT_NE(half, last);
  for (int i = 1; i < 100; ++i) table.id({.order = Order::Features, .channels = i});
  EXPECT_EQ(table.id(info), last);  // still where it was
  EXPECT_EQ(table.info(half), info.as(Storage::BF16));
  EXPECT_EQ(table.info(Layout::Undecided), LayoutInfo{});
  EXPECT_THROW(table.info(Layout::Blocked), Error);
  EXPECT_THROW(table.info(static_cast<Layout>(kFirstRegisteredLayout + 1000)), Error);
}

TEST(Bf16, RoundsToNearestEven) {
  // Each representable number with what lies between it and the next.
  for (uint32_t upper = 0; upper < 0x10000; ++upper) {
    for (const uint32_t lower : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const auto x = std::bit_cast<float>(upper << 16 | lower);
      const uint16_t got = math::toBf16(x);
      if (std::isnan(x)) {
        ASSERT_TRUE(std::isnan(math::fromBf16(got))) << x;
        continue;
      }
      const bool up = lower > 0x8000u || (lower == 0x8000u && upper % 2 == 1);
      ASSERT_EQ(got, static_cast<uint16_t>(upper + (up ? 1 : 0))) << x;
    }
    const float value = math::fromBf16(static_cast<uint16_t>(upper));
    ASSERT_EQ(std::bit_cast<uint32_t>(value), upper << 16);
  }
  EXPECT_EQ(math::roundToBf16(std::numeric_limits<float>::max()),
            std::numeric_limits<float>::infinity());
  EXPECT_EQ(math::roundToBf16(1.00390625f), 1.0f);  // half way: to even
  EXPECT_EQ(math::roundToBf16(1.01171875f), 1.015625f);
}

}  // namespace
}  // namespace neuronode::cuda
