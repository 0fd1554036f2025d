// Devices by name, and why the CUDA library is not there. The library is looked for once in a
// process: each case has one of its own.
#include "devices.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "error.h"

namespace neuronode::test {
namespace {

// Ends this process after writing what findDevice throws.
[[noreturn]] void findAndExit(const char* name, const char* library) {
  setenv("NEURONODE_CUDA_LIBRARY", library, 1);
  try {
    std::fprintf(stderr, "found %s", findDevice(name).name().c_str());
  } catch (const Error& error) {
    std::fprintf(stderr, "%s: %s", error.code(), error.what());
  }
  std::exit(0);
}

void expectFinding(const char* name, const char* library, const char* outcome) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(findAndExit(name, library), ::testing::ExitedWithCode(0), outcome);
}

TEST(DevicesDeathTest, TheCpuIsThereWithoutALibrary) {
  expectFinding("cpu", "/nowhere/lib.so", "found cpu");
}

TEST(DevicesDeathTest, OtherNamesAreRefused) {
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:12345", "cuda0"}) {
    expectFinding(name, "/nowhere/lib.so", "ERR_NN_ARGUMENT: device must be 'cpu', 'cuda' or");
  }
}

TEST(DevicesDeathTest, ALibraryThatIsNotInstalledIsNamed) {
  expectFinding("cuda", "/nowhere/lib.so",
                "ERR_NN_DEVICE_UNAVAILABLE: cuda: this installation has no CUDA backend: "
                "/nowhere/lib.so is not there");
}

TEST(DevicesDeathTest, AFileThatIsNoLibraryGivesTheLoadersWords) {
  expectFinding("cuda:1", "/etc/passwd",
                "ERR_NN_LIBRARY_MISSING: cuda:1: the CUDA backend cannot be loaded: .*passwd");
}

TEST(DevicesDeathTest, ALibraryOfAnotherKindIsRefused) {
  Dl_info libc;
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "exit"), &libc), 0);
  expectFinding("cuda", libc.dli_fname,
                "ERR_NN_LIBRARY_VERSION: cuda: .*libc.* is no device library of neuronode");
}

TEST(DevicesDeathTest, WhatIsMissingIsListedAfterWhatIsThere) {
  const auto list = [] {
    setenv("NEURONODE_CUDA_LIBRARY", "/nowhere/lib.so", 1);
    for (Device* device : listDevices()) std::fprintf(stderr, "%s.", device->name().c_str());
    for (const MissingDevice& missing : missingDevices()) {
      std::fprintf(stderr, "no %s: %s", missing.name.c_str(), missing.code.c_str());
    }
    std::exit(0);
  };
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(list(), ::testing::ExitedWithCode(0), "cpu.no cuda: ERR_NN_DEVICE_UNAVAILABLE");
}

}  // namespace
}  // namespace neuronode::test
