// Opening, checking and keeping NVIDIA's libraries; see open.h.
#include "loading/open.h"

#include <dlfcn.h>

#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "loading/symbols.h"

namespace neuronode::cuda {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMissing = "ERR_NN_LIBRARY_MISSING";
constexpr const char* kVersion = "ERR_NN_LIBRARY_VERSION";

constexpr int kCudaMajor = 13;
constexpr size_t kOldestCudnn = 91000, kEndOfCudnn = 100000;  // 9.10.0 up to, not including, 10

// What dlopen returned; closed again unless it is kept.
class Library {
 public:
  explicit Library(const fs::path& path)
      : path_(path), handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) error_ = dlerror();
  }
  Library(Library&& other) noexcept
      : path_(std::move(other.path_)),
        handle_(std::exchange(other.handle_, nullptr)),
        error_(std::move(other.error_)) {}
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  Library& operator=(Library&&) = delete;
  ~Library() {
    if (handle_ != nullptr) dlclose(handle_);
  }

  void* handle() const { return handle_; }
  const fs::path& path() const { return path_; }
  const std::string& error() const { return error_; }
  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(handle_, name));
  }
  // Never unloaded from now on: its own threads and exit handlers may run until the process ends.
  void keep() {
    dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_NOLOAD);
    handle_ = nullptr;
  }

 private:
  fs::path path_;
  void* handle_;
  std::string error_;
};

// Files of one folder that are opened together.
struct Kind {
  const char* name;
  const char* needed;                // in words, for a message
  std::vector<std::string> files;    // in the order of opening
  std::vector<SymbolTable*> tables;  // of each file
  const char* otherVersions;         // how files of other versions start
  // Sets `version`; returns what is wrong with it, or nothing.
  std::function<std::string(const std::vector<Library>&, std::string& version)> check;
};

std::string dotted(size_t major, size_t minor, size_t patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string checkCublas(const std::vector<Library>& opened, std::string& version) {
  const auto property = opened[1].function<int(int, int*)>("cublasGetProperty");
  const auto ltVersion = opened[0].function<size_t()>("cublasLtGetVersion");
  if (property == nullptr || ltVersion == nullptr) return "does not tell its version";
  int parts[3] = {};
  for (int i = 0; i < 3; ++i) {
    if (property(i, &parts[i]) != 0) return "does not tell its version";
  }
  version = dotted(parts[0], parts[1], parts[2]);
  if (parts[0] != kCudaMajor) return "is version " + version;
  const size_t lt = ltVersion();
  const std::string of = dotted(lt / 10000, lt / 100 % 100, lt % 100);
  return of == version ? "" : "is version " + version + ", and cuBLASLt beside it " + of;
}

std::string checkCudnn(const std::vector<Library>& opened, std::string& version) {
  const auto own = opened[0].function<size_t()>("cudnnGetVersion");
  const auto runtime = opened[0].function<size_t()>("cudnnGetCudartVersion");
  if (own == nullptr || runtime == nullptr) return "does not tell its version";
  const size_t number = own();
  // Before version 9, the major version counted thousands.
  version = number < 90000 ? dotted(number / 1000, number / 100 % 10, number % 100)
                           : dotted(number / 10000, number / 100 % 100, number % 100);
  if (number < kOldestCudnn || number >= kEndOfCudnn) return "is version " + version;
  const size_t cuda = runtime() / 1000;
  return cuda == kCudaMajor ? "" : "is version " + version + " for CUDA " + std::to_string(cuda);
}

std::string checkNvrtc(const std::vector<Library>& opened, std::string& version) {
  const auto own = opened[0].function<int(int*, int*)>("nvrtcVersion");
  int major = 0, minor = 0;
  if (own == nullptr || own(&major, &minor) != 0) return "does not tell its version";
  version = std::to_string(major) + "." + std::to_string(minor);
  return major == kCudaMajor ? "" : "is version " + version;
}

Kind cublasKind() {
  return {"cuBLAS",
          "version 13",
          {"libcublasLt.so.13", "libcublas.so.13"},
          {&cublasLtSymbols(), &cublasSymbols()},
          "libcublas.so.",
          checkCublas};
}

Kind cudnnKind() {
  return {"cuDNN",           "version 9.10 or newer, below 10, for CUDA 13",
          {"libcudnn.so.9"}, {&cudnnSymbols()},
          "libcudnn.so.",    checkCudnn};
}

Kind nvrtcKind() {
  return {"NVRTC", "version 13", {"libnvrtc.so.13"}, {&nvrtcSymbols()}, "libnvrtc.so.", checkNvrtc};
}

std::string join(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

class Search {
 public:
  Search(Kind kind, const std::vector<fs::path>& places)
      : kind_(std::move(kind)), places_(places) {}

  // True once a library has been opened and kept.
  bool run() {
    for (const fs::path& place : places_) {
      if (tryPlace(place)) return true;
    }
    return false;
  }

  const std::string& version() const { return version_; }
  const std::string& path() const { return path_; }

  LibraryProblem problem() const {
    const std::string libraries = std::string(kind_.name) + " (" + join(kind_.files, ", ") + ")";
    std::string text;
    if (wrong_.empty()) {
      text = libraries + " was not found";
      text += broken_.empty() ? "." : " in a state to be used:\n  " + join(broken_, "\n  ");
    } else {
      text = libraries + " is needed in " + kind_.needed + "; found:\n  " + join(wrong_, "\n  ");
      if (!broken_.empty()) text += "\n  " + join(broken_, "\n  ");
    }
    text +=
        "\nSought in NVIDIA's wheels of every Python on PATH, in VIRTUAL_ENV and CONDA_PREFIX, and "
        "in:";
    for (const fs::path& place : places_) text += "\n  " + place.string();
    text +=
        "\nInstall NVIDIA's wheels (pip install nvidia-cublas nvidia-cudnn-cu13) or CUDA 13 with "
        "cuDNN 9, or name the folders of the libraries in NEURONODE_CUDA_LIBRARIES.";
    return {wrong_.empty() ? kMissing : kVersion, text};
  }

 private:
  bool tryPlace(const fs::path& place) {
    for (const std::string& file : kind_.files) {
      std::error_code error;  // what cannot be looked at is as good as absent
      if (fs::exists(place / file, error)) continue;
      noteOtherVersions(place);
      return false;
    }
    std::vector<Library> opened;
    for (const std::string& file : kind_.files) {
      opened.emplace_back(place / file);
      if (opened.back().handle() == nullptr) {
        broken_.push_back(opened.back().path().string() + ": " + opened.back().error());
        return false;
      }
    }
    const fs::path& last = opened.back().path();
    std::string version;
    const std::string complaint = kind_.check(opened, version);
    if (!complaint.empty()) {
      wrong_.push_back(last.string() + " " + complaint);
      return false;
    }
    for (size_t i = 0; i < opened.size(); ++i) {
      const std::vector<std::string> missing = kind_.tables[i]->resolve(opened[i].handle());
      if (missing.empty()) continue;
      wrong_.push_back(opened[i].path().string() + ", version " + version + ", lacks " +
                       join(missing, ", "));
      return false;
    }
    version_ = version;
    path_ = last.string();
    for (Library& library : opened) library.keep();
    return true;
  }

  // Other versions have other file names: worth a word to who has installed them.
  void noteOtherVersions(const fs::path& place) {
    std::error_code error;
    for (fs::directory_iterator at(place, error), end; !error && at != end; at.increment(error)) {
      const std::string name = at->path().filename().string();
      const std::string start = kind_.otherVersions;
      // libcublas.so.12, but not the libcublas.so.12.6.4 that it is a link to.
      if (name.starts_with(start) && name.find('.', start.size()) == std::string::npos &&
          name != kind_.files.back()) {
        wrong_.push_back(at->path().string() + " is version " + name.substr(start.size()));
      }
    }
  }

  Kind kind_;
  const std::vector<fs::path>& places_;
  std::vector<std::string> wrong_;   // what is there in another version
  std::vector<std::string> broken_;  // what does not load
  std::string version_, path_;
};

}  // namespace

std::optional<LibraryProblem> openFrom(const std::vector<fs::path>& places, LibraryFacts& facts) {
  // cuDNN looks for NVRTC and cuBLASLt by name: it gets those that are open already.
  Search nvrtc(nvrtcKind(), places);
  if (nvrtc.run()) facts.nvrtc = nvrtc.version();  // some of cuDNN's engines do without it

  Search cublas(cublasKind(), places);
  if (!cublas.run()) return cublas.problem();
  facts.cublas = cublas.version();
  facts.cublasPath = cublas.path();

  Search cudnn(cudnnKind(), places);
  if (!cudnn.run()) return cudnn.problem();
  facts.cudnn = cudnn.version();
  facts.cudnnPath = cudnn.path();
  return std::nullopt;
}

}  // namespace neuronode::cuda
