// What tests of or on the emulation share: a fixture that starts from nothing, and requires that
// nothing is left and no rule was broken.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "emulation/emulation.h"

namespace neuronode::cuda::emulation {

class Checked : public ::testing::Test {
 protected:
  Checked() { reset(Settings()); }
  ~Checked() override {
    failNothing();
    const Live left = live();
    EXPECT_TRUE(left.none()) << "left: " << left.text();
    for (const std::string& text : violations()) ADD_FAILURE() << text;
  }

  // That one rule at least was broken since the last look, in words that contain `part`.
  static ::testing::AssertionResult isViolated(const std::string& part) {
    std::string all;
    bool found = false;
    for (const std::string& text : violations()) {
      found = found || text.find(part) != std::string::npos;
      all += "\n  " + text;
    }
    if (found) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure()
           << "no violation of '" << part << "'" << (all.empty() ? "" : ", but:") << all;
  }
};

}  // namespace neuronode::cuda::emulation
