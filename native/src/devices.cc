#include "devices.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <mutex>
#include <set>

#include "cpu/cpu_device.h"
#include "error.h"

namespace neuronode {

namespace {

constexpr const char* kLibraryName = "libneuronode_cuda.so";

// Beside the file that this code was loaded from.
std::string libraryPath() {
  const char* chosen = std::getenv("NEURONODE_CUDA_LIBRARY");
  if (chosen && *chosen) return chosen;
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&libraryPath), &self) == 0 || !self.dli_fname) {
    return kLibraryName;
  }
  const std::string path = self.dli_fname;
  const size_t slash = path.rfind('/');
  return (slash == std::string::npos ? "./" : path.substr(0, slash + 1)) + kLibraryName;
}

// What the CUDA library offers, or why there is none. Made on first use and never destroyed, since
// the threads of its devices outlive main(). Opening runs under this static's lock, so that two
// threads never open twice.
class CudaLibrary {
 public:
  static CudaLibrary& instance() {
    static CudaLibrary* library = new CudaLibrary();
    return *library;
  }

  std::vector<Device*> devices() const {
    return provider_ ? provider_->devices() : std::vector<Device*>();
  }
  std::vector<MissingDevice> missing() const {
    return provider_ ? provider_->missing() : std::vector{unopened_};
  }

 private:
  CudaLibrary() {
    const std::string path = libraryPath();
    if (access(path.c_str(), F_OK) != 0) {
      fail(errc::kDeviceUnavailable,
           "this installation has no CUDA backend: " + path + " is not there");
      return;
    }
    // Never unloaded: its devices' threads and the driver's outlive every environment.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) {
      fail(errc::kLibraryMissing, "the CUDA backend cannot be loaded: " + lastError());
      return;
    }
    const auto entry = reinterpret_cast<DeviceLibraryEntry>(dlsym(handle, kDeviceLibraryEntry));
    if (!entry) {
      fail(errc::kLibraryVersion, path + " is no device library of neuronode: " + lastError());
      return;
    }
    provider_ = entry(kDeviceLibraryBuild);
    if (!provider_) {
      fail(errc::kLibraryVersion, path + " belongs to another build than this one (" +
                                      kDeviceLibraryBuild + "); build both together");
    }
  }

  static std::string lastError() {
    const char* text = dlerror();
    return text ? text : "unknown error";
  }

  void fail(const char* code, std::string reason) { unopened_ = {"cuda", code, std::move(reason)}; }

  DeviceProvider* provider_ = nullptr;
  MissingDevice unopened_;
};

// The same text with the life of the process, as Error wants its code.
const char* lasting(const std::string& code) {
  static std::mutex mutex;
  static auto* codes = new std::set<std::string>();
  std::lock_guard lock(mutex);
  return codes->insert(code).first->c_str();
}

// "cuda:N" for 'cuda' and 'cuda:N'. Throws for other names.
std::string cudaName(const std::string& name) {
  if (name == "cuda") return "cuda:0";
  constexpr size_t kPrefix = 5, kMostDigits = 4;
  const bool isNumbered =
      name.rfind("cuda:", 0) == 0 && name.size() > kPrefix &&
      name.size() <= kPrefix + kMostDigits &&
      std::all_of(name.begin() + kPrefix, name.end(), [](unsigned char c) { return isdigit(c); });
  if (!isNumbered) {
    throw Error(errc::kArgument, "device must be 'cpu', 'cuda' or 'cuda:N', got '" + name + "'");
  }
  return "cuda:" + std::to_string(std::stoi(name.substr(kPrefix)));
}

}  // namespace

Device* lookUpDevice(const std::string& name) {
  if (name == "cpu") return &CpuDevice::instance();
  const std::string wanted = cudaName(name);
  for (Device* device : CudaLibrary::instance().devices()) {
    if (device->name() == wanted) return device;
  }
  return nullptr;
}

Device& findDevice(const std::string& name) {
  if (Device* device = lookUpDevice(name)) return *device;
  const std::string wanted = cudaName(name);
  for (const MissingDevice& missing : CudaLibrary::instance().missing()) {
    if (missing.name == wanted || missing.name == "cuda") {
      throw Error(lasting(missing.code), name + ": " + missing.reason);
    }
  }
  std::string present;
  for (Device* device : listDevices()) {
    if (!present.empty()) present += ", ";
    present += device->name();
  }
  throw Error(errc::kDeviceUnavailable, name + ": there is no such device; there are " + present);
}

std::vector<Device*> listDevices() {
  std::vector<Device*> devices = {&CpuDevice::instance()};
  for (Device* device : CudaLibrary::instance().devices()) devices.push_back(device);
  return devices;
}

std::vector<MissingDevice> missingDevices() { return CudaLibrary::instance().missing(); }

}  // namespace neuronode
