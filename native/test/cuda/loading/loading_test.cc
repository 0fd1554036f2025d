// Where NVIDIA's libraries are sought, which are refused and in what words. Libraries of the test's
// own stand in for them; folders are made anew for each test.
#include <cublas_v2.h>
#include <cudnn.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "loading/open.h"
#include "loading/places.h"

namespace neuronode::cuda {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

class Loading : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = TempDir() + "nn_loading_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    version("FAKE_CUBLAS", "130101");
    version("FAKE_CUBLASLT", "130101");
    version("FAKE_CUDNN", "92400");
    version("FAKE_CUDNN_CUDART", "13030");
    version("FAKE_NVRTC", "13");
  }
  void TearDown() override { fs::remove_all(root_); }

  static void version(const char* name, const char* value) { setenv(name, value, 1); }

  // A folder with the files, each a copy of `library`.
  fs::path folder(const std::string& name, const std::vector<std::string>& files,
                  const char* library = NN_FAKE_LIBRARY) {
    const fs::path path = root_ / name;
    fs::create_directories(path);
    for (const std::string& file : files) {
      fs::copy_file(library, path / file, fs::copy_options::overwrite_existing);
    }
    return path;
  }

  LibraryProblem problem(const std::vector<fs::path>& places) {
    const std::optional<LibraryProblem> found = openFrom(places, facts_);
    return found.value_or(LibraryProblem{"none", "opened"});
  }

  const std::vector<std::string> cublas_ = {"libcublasLt.so.13", "libcublas.so.13"};
  const std::vector<std::string> cudnn_ = {"libcudnn.so.9"};
  const std::vector<std::string> nvrtc_ = {"libnvrtc.so.13"};
  fs::path root_;
  LibraryFacts facts_;
};

#define EXPECT_SAYS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "no \"" << (part) << "\" in:\n" << (text)

TEST_F(Loading, OpensFromSeveralFolders) {
  const std::vector<fs::path> places = {root_ / "absent", folder("a", cublas_), folder("b", cudnn_),
                                        folder("c", nvrtc_)};
  const LibraryProblem result = problem(places);
  ASSERT_STREQ(result.code, "none") << result.message;
  EXPECT_EQ(facts_.cublas, "13.1.1");
  EXPECT_EQ(facts_.cudnn, "9.24.0");
  EXPECT_EQ(facts_.nvrtc, "13.0");
  EXPECT_EQ(facts_.cublasPath, (root_ / "a" / "libcublas.so.13").string());
  EXPECT_EQ(facts_.cudnnPath, (root_ / "b" / "libcudnn.so.9").string());
  // A forwarded call arrives.
  cudnnHandle_t handle = nullptr;
  EXPECT_EQ(cudnnCreate(&handle), CUDNN_STATUS_SUCCESS);
  EXPECT_EQ(cudnnGetVersion(), 92400u);
}

TEST_F(Loading, DoesWithoutNvrtc) {
  const LibraryProblem result = problem({folder("a", cublas_), folder("b", cudnn_)});
  ASSERT_STREQ(result.code, "none") << result.message;
  EXPECT_EQ(facts_.nvrtc, "");
}

TEST_F(Loading, NamesEveryPlaceWhereALibraryIsMissing) {
  const LibraryProblem cublas = problem({root_ / "x", root_ / "y"});
  EXPECT_STREQ(cublas.code, "ERR_NN_LIBRARY_MISSING");
  EXPECT_SAYS(cublas.message, "cuBLAS (libcublasLt.so.13, libcublas.so.13) was not found");
  EXPECT_SAYS(cublas.message, (root_ / "x").string());
  EXPECT_SAYS(cublas.message, (root_ / "y").string());
  EXPECT_SAYS(cublas.message, "NEURONODE_CUDA_LIBRARIES");

  const LibraryProblem cudnn = problem({folder("a", cublas_)});
  EXPECT_STREQ(cudnn.code, "ERR_NN_LIBRARY_MISSING");
  EXPECT_SAYS(cudnn.message, "cuDNN (libcudnn.so.9) was not found");
}

TEST_F(Loading, WantsCublasAndCublasLtOfOneFolder) {
  const LibraryProblem result = problem(
      {folder("a", {"libcublas.so.13"}), folder("b", {"libcublasLt.so.13"}), folder("c", cudnn_)});
  EXPECT_STREQ(result.code, "ERR_NN_LIBRARY_MISSING");
}

TEST_F(Loading, RefusesOtherVersions) {
  const std::vector<fs::path> places = {folder("a", cublas_), folder("b", cudnn_)};
  const std::string path = (root_ / "b" / "libcudnn.so.9").string();
  const std::vector<std::pair<const char*, std::string>> wrong = {
      {"90500", path + " is version 9.5.0"},
      {"8907", path + " is version 8.9.7"},
      {"100000", path + " is version 10.0.0"}};
  for (const auto& [number, words] : wrong) {
    version("FAKE_CUDNN", number);
    const LibraryProblem result = problem(places);
    EXPECT_STREQ(result.code, "ERR_NN_LIBRARY_VERSION");
    EXPECT_SAYS(result.message, "version 9.10 or newer, below 10, for CUDA 13");
    EXPECT_SAYS(result.message, words);
  }
  version("FAKE_CUDNN", "92400");
  version("FAKE_CUDNN_CUDART", "12090");
  const LibraryProblem forCuda12 = problem(places);
  EXPECT_STREQ(forCuda12.code, "ERR_NN_LIBRARY_VERSION");
  EXPECT_SAYS(forCuda12.message, path + " is version 9.24.0 for CUDA 12");

  version("FAKE_CUBLASLT", "130002");
  const LibraryProblem mixed = problem(places);
  EXPECT_STREQ(mixed.code, "ERR_NN_LIBRARY_VERSION");
  EXPECT_SAYS(mixed.message, "is version 13.1.1, and cuBLASLt beside it 13.0.2");
}

TEST_F(Loading, TakesTheOldestVersionThatWillDo) {
  version("FAKE_CUDNN", "91000");
  const LibraryProblem result = problem({folder("a", cublas_), folder("b", cudnn_)});
  EXPECT_STREQ(result.code, "none") << result.message;
  EXPECT_EQ(facts_.cudnn, "9.10.0");
}

TEST_F(Loading, TellsOfFilesOfOtherVersions) {
  const LibraryProblem result =
      problem({folder("a", {"libcublas.so.12", "libcublas.so.12.6.4.1", "libcublasLt.so.12"})});
  EXPECT_STREQ(result.code, "ERR_NN_LIBRARY_VERSION");
  EXPECT_SAYS(result.message, (root_ / "a" / "libcublas.so.12").string() + " is version 12");
  EXPECT_EQ(result.message.find("12.6.4.1"), std::string::npos) << result.message;
}

TEST_F(Loading, RefusesALibraryThatLacksAFunction) {
  const LibraryProblem result =
      problem({folder("a", cublas_), folder("b", cudnn_, NN_BARE_LIBRARY)});
  EXPECT_STREQ(result.code, "ERR_NN_LIBRARY_VERSION");
  EXPECT_SAYS(result.message, "version 9.24.0, lacks cudnn");
}

TEST_F(Loading, GoesOnAfterAFileThatDoesNotLoad) {
  const fs::path broken = folder("broken", {});
  std::ofstream(broken / "libcudnn.so.9") << "not a library";
  const fs::path cublas = folder("a", cublas_);
  const LibraryProblem alone = problem({broken, cublas});
  EXPECT_STREQ(alone.code, "ERR_NN_LIBRARY_MISSING");
  EXPECT_SAYS(alone.message, (broken / "libcudnn.so.9").string() + ": ");
  EXPECT_STREQ(problem({broken, cublas, folder("b", cudnn_)}).code, "none");
}

TEST_F(Loading, SearchesInTheOrderThatIsDocumented) {
  const fs::path venv = folder("venv/lib/python3.12/site-packages/nvidia/cu13/lib", {});
  const fs::path path = folder("py/lib/python3.11/site-packages/nvidia/cudnn/lib", {});
  const fs::path cache = folder("cache/neuronode/cuda/nvidia/cu13/lib", {});
  const fs::path package = folder("app/node_modules/neuronode-cuda-libraries/lib", {});
  folder("py/bin", {});
  const std::map<std::string, std::string> values = {
      {"NEURONODE_CUDA_LIBRARIES", "/one:relative::/two"},
      {"VIRTUAL_ENV", (root_ / "venv").string()},
      {"XDG_CACHE_HOME", (root_ / "cache").string()},
      {"PATH", (root_ / "py" / "bin").string() + ":/usr/bin"},
      {"LD_LIBRARY_PATH", "/from/loader:/one"}};
  const Environment environment = [&](const char* name) {
    const auto at = values.find(name);
    return at == values.end() ? std::nullopt : std::optional<std::string>(at->second);
  };
  const fs::path own = root_ / "app" / "node_modules" / "neuronode" / "build" / "Release";
  const std::vector<fs::path> places = placesToSearch(environment, own / "libneuronode_cuda.so");
  const std::vector<fs::path> expected = {"/one", "/two", own / "cuda", package,
                                          venv,   cache,  path,         "/from/loader"};
  std::vector<fs::path> found;
  for (const fs::path& place : places) {
    if (std::find(expected.begin(), expected.end(), place) != expected.end()) {
      found.push_back(place);
    }
  }
  EXPECT_EQ(found, expected);
  for (const fs::path& place : places) EXPECT_TRUE(place.is_absolute()) << place;
  EXPECT_NE(std::find(places.begin(), places.end(), "/usr/local/cuda/lib64"), places.end());
}

}  // namespace
}  // namespace neuronode::cuda
