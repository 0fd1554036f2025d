// The choice of the instruction set. It is made once per process, so each case that sets the
// environment runs in a process of its own.
#include "cpu/isa.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace neuronode {
namespace {

/// Exits with the Isa that NEURONODE_ISA = text leads to, or with 100 if the text is refused.
[[noreturn]] void detectAndExit(const char* text) {
  setenv("NEURONODE_ISA", text, 1);
  try {
    std::exit(static_cast<int>(detectIsa()));
  } catch (const std::invalid_argument& error) {
    const bool named = std::string(error.what()).find(text) != std::string::npos;
    std::exit(named ? 100 : 101);
  }
}

class IsaDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

int widest() {
  if (isaSupported(Isa::Avx512)) return static_cast<int>(Isa::Avx512);
  return static_cast<int>(isaSupported(Isa::Avx2) ? Isa::Avx2 : Isa::Baseline);
}

TEST_F(IsaDeathTest, EnvironmentLowersTheChoice) {
  EXPECT_EXIT(detectAndExit("baseline"), ::testing::ExitedWithCode(0), "");
  const int avx2 = std::min(widest(), static_cast<int>(Isa::Avx2));
  EXPECT_EXIT(detectAndExit("avx2"), ::testing::ExitedWithCode(avx2), "");
}

TEST_F(IsaDeathTest, EnvironmentNeverRaisesTheChoice) {
  EXPECT_EXIT(detectAndExit("avx512"), ::testing::ExitedWithCode(widest()), "");
  EXPECT_EXIT(detectAndExit(""), ::testing::ExitedWithCode(widest()), "");
}

TEST_F(IsaDeathTest, UnknownNameIsRefused) {
  EXPECT_EXIT(detectAndExit("sse9"), ::testing::ExitedWithCode(100), "");
}

TEST(Isa, BaselineRunsEverywhere) { EXPECT_TRUE(isaSupported(Isa::Baseline)); }

TEST(Isa, NamesAndBlocks) {
  EXPECT_STREQ(isaName(Isa::Baseline), "baseline");
  EXPECT_STREQ(isaName(Isa::Avx2), "avx2");
  EXPECT_STREQ(isaName(Isa::Avx512), "avx512");
  EXPECT_EQ(channelBlock(Isa::Baseline), 8);
  EXPECT_EQ(channelBlock(Isa::Avx2), 8);
  EXPECT_EQ(channelBlock(Isa::Avx512), 16);
}

}  // namespace
}  // namespace neuronode
