// What a container leaves this process: Linux control groups, versions 2 and 1.
#pragma once

#include <cstddef>
#include <string>

namespace neuronode {

// `root` is where /proc and /sys are looked for: tests have trees of their own.

// Bytes below the tightest memory limit, or the largest size_t where there is none.
size_t controlGroupMemoryLeft(const std::string& root = "");

// The processors' time that the quota allows, in whole processors rounded up, or 0 where there is
// no quota.
int controlGroupCpuQuota(const std::string& root = "");

}  // namespace neuronode
