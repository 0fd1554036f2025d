// The search path of NVIDIA's libraries; see places.h.
#include "loading/places.h"

#include <algorithm>
#include <string_view>
#include <system_error>

namespace neuronode::cuda {

namespace fs = std::filesystem;

namespace {

// The folders that NVIDIA's wheels put libraries in, below site-packages.
constexpr const char* kWheelFolders[] = {"nvidia/cu13/lib", "nvidia/cudnn/lib"};

class Places {
 public:
  void add(const fs::path& folder) {
    // A relative folder would depend on where the program was started, and dlopen would search.
    if (!folder.is_absolute()) return;
    const fs::path normal = folder.lexically_normal();
    if (std::find(folders_.begin(), folders_.end(), normal) == folders_.end()) {
      folders_.push_back(normal);
    }
  }

  void addExisting(const fs::path& folder) {
    std::error_code error;  // what cannot be looked at is as good as absent
    if (fs::is_directory(folder, error)) add(folder);
  }

  void addWheels(const fs::path& sitePackages) {
    for (const char* folder : kWheelFolders) addExisting(sitePackages / folder);
  }

  // The wheels of every Python below a prefix: lib/python3.12/site-packages.
  void addPythons(const fs::path& prefix) {
    for (const char* lib : {"lib", "lib64"}) {
      for (const fs::path& python : children(prefix / lib, "python3")) {
        addWheels(python / "site-packages");
        addWheels(python / "dist-packages");
      }
    }
  }

  // Folders in `parent` whose names start with `start`, highest name first: newer versions before
  // older ones.
  static std::vector<fs::path> children(const fs::path& parent, std::string_view start) {
    std::vector<fs::path> found;
    std::error_code error;
    for (fs::directory_iterator at(parent, error), end; !error && at != end; at.increment(error)) {
      if (at->path().filename().string().starts_with(start)) found.push_back(at->path());
    }
    std::sort(found.rbegin(), found.rend());
    return found;
  }

  std::vector<fs::path> take() { return std::move(folders_); }

 private:
  std::vector<fs::path> folders_;
};

std::vector<fs::path> split(const std::optional<std::string>& list) {
  std::vector<fs::path> parts;
  size_t from = 0;
  while (list && from <= list->size()) {
    const size_t to = std::min(list->find(':', from), list->size());
    if (to > from) parts.emplace_back(list->substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

}  // namespace

std::vector<fs::path> placesToSearch(const Environment& environment,
                                     const fs::path& backendLibrary) {
  Places places;
  for (const fs::path& folder : split(environment("NEURONODE_CUDA_LIBRARIES"))) places.add(folder);

  fs::path folder = backendLibrary.parent_path();
  places.add(folder / "cuda");
  for (; folder.has_relative_path(); folder = folder.parent_path()) {
    places.addExisting(folder / "node_modules" / "neuronode-cuda-libraries" / "lib");
  }

  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    if (const auto prefix = environment(name)) places.addPythons(*prefix);
  }
  const std::optional<std::string> home = environment("HOME");
  const std::optional<std::string> cache = environment("XDG_CACHE_HOME");
  if ((cache && !cache->empty()) || home) {
    const fs::path base = cache && !cache->empty() ? fs::path(*cache) : fs::path(*home) / ".cache";
    for (const char* wheels : kWheelFolders) places.add(base / "neuronode" / "cuda" / wheels);
  }
  for (const fs::path& bin : split(environment("PATH"))) places.addPythons(bin.parent_path());
  if (home) places.addPythons(fs::path(*home) / ".local");
  places.addPythons("/usr/local");
  places.addWheels("/usr/lib/python3/dist-packages");

  for (const fs::path& each : split(environment("LD_LIBRARY_PATH"))) places.add(each);
  places.add("/usr/local/cuda/lib64");
  for (const fs::path& cuda : Places::children("/usr/local", "cuda-13")) {
    places.addExisting(cuda / "lib64");
  }
#if defined(__aarch64__)
  places.add("/usr/lib/aarch64-linux-gnu");
#else
  places.add("/usr/lib/x86_64-linux-gnu");
#endif
  places.add("/usr/lib64");
  places.addExisting("/opt/cuda/lib64");
  return places.take();
}

}  // namespace neuronode::cuda
