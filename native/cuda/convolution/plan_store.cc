#include "convolution/plan_store.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace neuronode::cuda {

namespace files = std::filesystem;

namespace {

constexpr char kMagic[] = "neuronode convolution plan 1\n";
constexpr uint64_t kMostBytes = uint64_t{64} << 20;

// FNV-1a.
uint64_t hash(const std::string& text) {
  uint64_t value = 0xcbf29ce484222325;
  for (unsigned char byte : text) value = (value ^ byte) * 0x100000001b3;
  return value;
}

void append(std::string& file, const std::string& part) {
  const uint64_t size = part.size();
  file.append(reinterpret_cast<const char*>(&size), sizeof size);
  file += part;
}

// Takes a part off the front of what is left of the file; false where it is cut short.
bool take(const std::string& file, size_t& at, std::string& part) {
  uint64_t size = 0;
  if (file.size() - at < sizeof size) return false;
  std::memcpy(&size, file.data() + at, sizeof size);
  at += sizeof size;
  if (size > file.size() - at) return false;
  part = file.substr(at, size);
  at += size;
  return true;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::string PlanStore::defaultFolder() {
  if (std::getenv("NEURONODE_PLAN_CACHE")) return environment("NEURONODE_PLAN_CACHE");
  const std::string cache = environment("XDG_CACHE_HOME"), home = environment("HOME");
  if (!cache.empty()) return cache + "/neuronode/plans";
  return home.empty() ? "" : home + "/.cache/neuronode/plans";
}

PlanStore::PlanStore(std::string folder) : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  std::error_code error;
  const bool made = files::create_directories(folder_, error);
  if (made) files::permissions(folder_, files::perms::owner_all, error);
  if (!files::is_directory(folder_, error)) folder_.clear();
}

std::string PlanStore::path(const std::string& key) const {
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.plan", static_cast<unsigned long long>(hash(key)));
  return folder_ + "/" + name;
}

std::optional<StoredPlan> PlanStore::read(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  std::error_code error;
  const uint64_t size = files::file_size(path(key), error);
  if (error || size > kMostBytes) return std::nullopt;
  std::ifstream stream(path(key), std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(stream), {}};
  size_t at = std::strlen(kMagic);
  if (file.compare(0, at, kMagic) != 0) return std::nullopt;
  std::string storedKey, engine, data, sum;
  if (!take(file, at, storedKey) || storedKey != key) return std::nullopt;
  if (!take(file, at, engine) || !take(file, at, data)) return std::nullopt;
  const uint64_t expected = hash(file.substr(0, at));
  if (!take(file, at, sum) || sum != std::to_string(expected) || at != file.size()) {
    return std::nullopt;
  }
  return StoredPlan{engine, {data.begin(), data.end()}};
}

void PlanStore::write(const std::string& key, const StoredPlan& plan) const {
  if (folder_.empty()) return;
  std::string file = kMagic;
  append(file, key);
  append(file, plan.engine);
  append(file, {plan.data.begin(), plan.data.end()});
  append(file, std::to_string(hash(file)));
  static std::atomic<int> count = 0;
  const std::string beside =
      path(key) + "." + std::to_string(getpid()) + "." + std::to_string(count++);
  std::ofstream stream(beside, std::ios::binary);
  stream.write(file.data(), static_cast<std::streamsize>(file.size()));
  stream.close();
  std::error_code error;
  if (stream) files::rename(beside, path(key), error);
  if (!stream || error) files::remove(beside, error);
}

}  // namespace neuronode::cuda
