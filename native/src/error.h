// The one exception type of the native layer: a stable code and a message for people.
// It is thrown anywhere below the binding and becomes a typed JavaScript error there.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace neuronode {

namespace errc {
inline constexpr const char* kArgument = "ERR_NN_ARGUMENT";
inline constexpr const char* kShape = "ERR_NN_SHAPE";
inline constexpr const char* kDType = "ERR_NN_DTYPE";
inline constexpr const char* kOutOfMemory = "ERR_NN_OUT_OF_MEMORY";
inline constexpr const char* kDeviceUnavailable = "ERR_NN_DEVICE_UNAVAILABLE";
inline constexpr const char* kLibraryMissing = "ERR_NN_LIBRARY_MISSING";
inline constexpr const char* kLibraryVersion = "ERR_NN_LIBRARY_VERSION";
inline constexpr const char* kDeviceFailed = "ERR_NN_DEVICE_FAILED";
inline constexpr const char* kDisposed = "ERR_NN_DISPOSED";
inline constexpr const char* kNative = "ERR_NN_NATIVE";
inline constexpr const char* kCancelled = "ERR_NN_CANCELLED";
}  // namespace errc

// Bytes as messages about memory count them, rounded up.
inline std::string mebibytes(size_t bytes) {
  return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20);
}

inline constexpr const char* kShuttingDown = "the environment is shutting down";

class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}

  const char* code() const { return code_; }

 private:
  const char* code_;
};

}  // namespace neuronode
