#include "cpu/control_group.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace neuronode {

namespace {

constexpr const char* kMount = "/sys/fs/cgroup";

// Whether the comma-separated `names` has `wanted`.
bool hasName(const std::string& names, const std::string& wanted) {
  std::istringstream stream(names);
  std::string name;
  while (std::getline(stream, name, ',')) {
    if (name == wanted) return true;
  }
  return false;
}

// The directories from this process's own group up to the root, under version 2's one hierarchy or
// version 1's `controller`. In a container the path may not exist below the mount: the root counts.
std::vector<std::string> groupDirectories(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  std::string line;
  std::string base, path;
  while (std::getline(file, line)) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (names.empty()) {  // version 2
      if (base.empty()) base = root + kMount, path = line.substr(second + 1);
    } else if (hasName(names, controller)) {
      base = root + kMount + '/' + controller;
      path = line.substr(second + 1);
    }
  }
  std::vector<std::string> directories;
  if (base.empty()) return directories;
  while (!path.empty() && path != "/") {
    directories.push_back(base + path);
    path.resize(path.rfind('/'));
  }
  directories.push_back(base);
  return directories;
}

std::optional<double> readNumber(const std::string& file) {
  std::ifstream stream(file);
  double value;
  if (stream >> value) return value;
  return std::nullopt;  // absent, or "max"
}

}  // namespace

namespace {

// Page cache counts as used, but is given back under pressure.
double pageCache(const std::string& statFile, const std::string& prefix) {
  std::ifstream stream(statFile);
  std::string key;
  double value, bytes = 0;
  while (stream >> key >> value) {
    if (key == prefix + "inactive_file" || key == prefix + "active_file") bytes += value;
  }
  return bytes;
}

}  // namespace

size_t controlGroupMemoryLeft(const std::string& root) {
  size_t left = std::numeric_limits<size_t>::max();
  auto consider = [&](const std::string& directory, const char* limitName, const char* usageName,
                      const char* statPrefix) {
    const auto limit = readNumber(directory + "/" + limitName);
    const auto usage = readNumber(directory + "/" + usageName);
    // Version 1 says "no limit" by a number close to 2^63.
    if (!limit || !usage || *limit > 1e18) return;
    const double used = *usage - pageCache(directory + "/memory.stat", statPrefix);
    left = std::min(left, static_cast<size_t>(std::max(0.0, *limit - used)));
  };
  for (const std::string& directory : groupDirectories(root, "memory")) {
    consider(directory, "memory.max", "memory.current", "");
    consider(directory, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_");
  }
  return left;
}

int controlGroupCpuQuota(const std::string& root) {
  double processors = 0;
  auto consider = [&](double quota, double period) {
    if (quota <= 0 || period <= 0) return;
    const double allowed = quota / period;
    processors = processors == 0 ? allowed : std::min(processors, allowed);
  };
  for (const std::string& directory : groupDirectories(root, "cpu")) {
    std::ifstream v2(directory + "/cpu.max");
    double quota, period;
    if (v2 >> quota >> period) consider(quota, period);
    const auto v1Quota = readNumber(directory + "/cpu.cfs_quota_us");
    const auto v1Period = readNumber(directory + "/cpu.cfs_period_us");
    if (v1Quota && v1Period) consider(*v1Quota, *v1Period);
  }
  return static_cast<int>(std::ceil(processors));
}

}  // namespace neuronode
