// What a container leaves, by trees like those of control groups version 1 and 2.
#include "cpu/control_group.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

namespace neuronode::test {
namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();
constexpr size_t kMiB = size_t{1} << 20;
const char* const kV1NoLimit = "9223372036854771712";

class ControlGroup : public ::testing::Test {
 protected:
  ControlGroup() {
    std::string name = ::testing::TempDir() + "neuronode-cgroup-XXXXXX";
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
    root_ = name;
  }
  ~ControlGroup() override { std::filesystem::remove_all(root_); }

  // Of version 2, or of one of version 1's hierarchies.
  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << '\n';
  }
  void groups(const std::string& lines) { write("/proc/self/cgroup", lines); }
  void v2Memory(const std::string& group, const std::string& limit, size_t used,
                const std::string& stat = "") {
    const std::string directory = "/sys/fs/cgroup" + group;
    write(directory + "/memory.max", limit);
    write(directory + "/memory.current", std::to_string(used));
    write(directory + "/memory.stat", stat);
  }
  void v1Memory(const std::string& group, const std::string& limit, size_t used,
                const std::string& stat = "") {
    const std::string directory = "/sys/fs/cgroup/memory" + group;
    write(directory + "/memory.limit_in_bytes", limit);
    write(directory + "/memory.usage_in_bytes", std::to_string(used));
    write(directory + "/memory.stat", stat);
  }
  static std::string mib(size_t count) { return std::to_string(count * kMiB); }
  size_t left() const { return controlGroupMemoryLeft(root_); }

  std::string root_;
};

TEST_F(ControlGroup, WithoutGroupsThereIsNoLimit) {
  EXPECT_EQ(left(), kNone);
  EXPECT_EQ(controlGroupCpuQuota(root_), 0);
  groups("0::/");
  EXPECT_EQ(left(), kNone);
}

TEST_F(ControlGroup, Version2LeavesWhatTheLimitLeaves) {
  groups("0::/app");
  v2Memory("/app", mib(120), 20 * kMiB);
  EXPECT_EQ(left(), 100 * kMiB);
  v2Memory("/app", mib(120), 130 * kMiB);
  EXPECT_EQ(left(), 0u);
  v2Memory("/app", "max", 20 * kMiB);
  EXPECT_EQ(left(), kNone);
}

TEST_F(ControlGroup, Version2InsideAContainerIsTheRootOfItsMount) {
  groups("0::/");
  v2Memory("", mib(64), 4 * kMiB);
  EXPECT_EQ(left(), 60 * kMiB);
  // The path may be the host's, which the container does not see.
  groups("0::/system.slice/docker-1.scope");
  EXPECT_EQ(left(), 60 * kMiB);
}

TEST_F(ControlGroup, TheTightestOfNestedGroupsCounts) {
  groups("0::/pod/app");
  v2Memory("/pod", mib(200), 150 * kMiB);
  v2Memory("/pod/app", mib(120), 20 * kMiB);
  EXPECT_EQ(left(), 50 * kMiB);
  v2Memory("/pod/app", "max", 20 * kMiB);
  EXPECT_EQ(left(), 50 * kMiB);
  v2Memory("/pod", "max", 150 * kMiB);
  EXPECT_EQ(left(), kNone);
}

TEST_F(ControlGroup, Version1LeavesWhatTheLimitLeaves) {
  groups("5:cpu,cpuacct:/app\n4:memory:/app\n0::/");
  v1Memory("", kV1NoLimit, 900 * kMiB);
  v1Memory("/app", mib(120), 20 * kMiB);
  EXPECT_EQ(left(), 100 * kMiB);
  v1Memory("/app", kV1NoLimit, 20 * kMiB);
  EXPECT_EQ(left(), kNone);
  v1Memory("", mib(1000), 900 * kMiB);
  EXPECT_EQ(left(), 100 * kMiB);
}

TEST_F(ControlGroup, Version1InsideAContainerIsTheRootOfItsMount) {
  groups("4:memory:/docker/0123\n1:name=systemd:/docker/0123");
  v1Memory("", mib(120), 20 * kMiB);
  EXPECT_EQ(left(), 100 * kMiB);
}

TEST_F(ControlGroup, PageCacheCountsAsLeft) {
  groups("0::/app");
  v2Memory("/app", mib(120), 100 * kMiB,
           "anon 1\ninactive_file " + mib(30) + "\nactive_file " + mib(10));
  EXPECT_EQ(left(), 60 * kMiB);
  groups("4:memory:/app");
  v1Memory("/app", mib(120), 100 * kMiB,
           "inactive_file 1\ntotal_inactive_file " + mib(30) + "\ntotal_active_file " + mib(10));
  EXPECT_EQ(left(), 60 * kMiB);
}

TEST_F(ControlGroup, QuotasOfBothVersions) {
  groups("0::/app");
  write("/sys/fs/cgroup/app/cpu.max", "150000 100000");
  EXPECT_EQ(controlGroupCpuQuota(root_), 2);
  write("/sys/fs/cgroup/app/cpu.max", "max 100000");
  EXPECT_EQ(controlGroupCpuQuota(root_), 0);
  groups("5:cpu,cpuacct:/app");
  write("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "100000");
  write("/sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000");
  EXPECT_EQ(controlGroupCpuQuota(root_), 1);
  write("/sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(controlGroupCpuQuota(root_), 0);
}

}  // namespace
}  // namespace neuronode::test
