// Plans on disk: whole or not at all, whatever happens to the files.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "convolution/plan_store.h"

namespace neuronode::cuda::testing {

namespace {

namespace files = std::filesystem;

class PlanStoreTest : public ::testing::Test {
 protected:
  PlanStoreTest() {
    std::string pattern = (files::temp_directory_path() / "neuronode-plans-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~PlanStoreTest() override { files::remove_all(folder_); }

  static std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void overwrite(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  size_t fileCount() const {
    return std::distance(files::directory_iterator(folder_), files::directory_iterator());
  }

  std::string folder_;
  const StoredPlan plan_{"eng7", {0, 1, 254, 255, 10, 0}};
};

TEST_F(PlanStoreTest, ReadsWhatAnotherStoreWrote) {
  const PlanStore store(folder_ + "/made/here");
  EXPECT_FALSE(store.read("a key"));
  store.write("a key", plan_);
  const auto found = PlanStore(folder_ + "/made/here").read("a key");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->engine, plan_.engine);
  EXPECT_EQ(found->data, plan_.data);
  EXPECT_FALSE(store.read("another key"));
}

TEST_F(PlanStoreTest, OnlyTheOwnerReadsIt) {
  const PlanStore store(folder_ + "/plans");
  const auto others = files::perms::group_all | files::perms::others_all;
  EXPECT_EQ(files::status(folder_ + "/plans").permissions() & others, files::perms::none);
}

TEST_F(PlanStoreTest, ReplacesAndLeavesNothingBeside) {
  const PlanStore store(folder_);
  store.write("a key", plan_);
  store.write("a key", {"eng8", {1}});
  EXPECT_EQ(store.read("a key")->engine, "eng8");
  EXPECT_EQ(fileCount(), 1u);
}

TEST_F(PlanStoreTest, IgnoresFilesCutAtAnyByteOrChanged) {
  const PlanStore store(folder_);
  store.write("a key", plan_);
  const std::string whole = contents(store.path("a key"));
  for (size_t length = 0; length < whole.size(); ++length) {
    overwrite(store.path("a key"), whole.substr(0, length));
    EXPECT_FALSE(store.read("a key")) << length;
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    overwrite(store.path("a key"), changed);
    EXPECT_FALSE(store.read("a key")) << at;
  }
  overwrite(store.path("a key"), whole + "more");
  EXPECT_FALSE(store.read("a key"));
  store.write("a key", plan_);
  EXPECT_TRUE(store.read("a key"));
}

// Two keys whose hashes are the same share a file; the key inside says whose it is.
TEST_F(PlanStoreTest, IgnoresAFileOfAnotherKey) {
  const PlanStore store(folder_);
  store.write("a key", plan_);
  files::rename(store.path("a key"), store.path("another key"));
  EXPECT_FALSE(store.read("another key"));
}

TEST_F(PlanStoreTest, IsOffWhereThereCanBeNoFolder) {
  overwrite(folder_ + "/file", "in the way");
  for (const std::string& folder : {std::string(), folder_ + "/file", folder_ + "/file/below"}) {
    const PlanStore store(folder);
    store.write("a key", plan_);
    EXPECT_FALSE(store.read("a key")) << folder;
  }
  EXPECT_EQ(contents(folder_ + "/file"), "in the way");
}

TEST_F(PlanStoreTest, FolderComesFromTheEnvironment) {
  const auto folderWith = [](const char* own, const char* cache, const char* home) {
    for (auto [name, value] :
         {std::pair{"NEURONODE_PLAN_CACHE", own}, {"XDG_CACHE_HOME", cache}, {"HOME", home}}) {
      value ? setenv(name, value, 1) : unsetenv(name);
    }
    return PlanStore::defaultFolder();
  };
  const char* home = getenv("HOME");
  const std::string kept = home ? home : "";
  EXPECT_EQ(folderWith("/own", "/cache", "/home"), "/own");
  EXPECT_EQ(folderWith("", "/cache", "/home"), "");
  EXPECT_EQ(folderWith(nullptr, "/cache", "/home"), "/cache/neuronode/plans");
  EXPECT_EQ(folderWith(nullptr, nullptr, "/home"), "/home/.cache/neuronode/plans");
  EXPECT_EQ(folderWith(nullptr, nullptr, nullptr), "");
  if (home) setenv("HOME", kept.c_str(), 1);
}

}  // namespace

}  // namespace neuronode::cuda::testing
