// What a test puts in the place of a library of NVIDIA's: tells the versions that the environment
// holds, and has the functions that the backend forwards, which do nothing.
#include <cstddef>
#include <cstdlib>

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

long number(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? 0 : std::strtol(value, nullptr, 10);
}

}  // namespace

EXPORTED int cublasGetProperty(int part, int* value) {
  const long version = number("FAKE_CUBLAS");  // 130101
  *value = static_cast<int>(part == 0   ? version / 10000
                            : part == 1 ? version / 100 % 100
                                        : version % 100);
  return 0;
}
EXPORTED size_t cublasLtGetVersion() { return number("FAKE_CUBLASLT"); }
EXPORTED size_t cudnnGetVersion() { return number("FAKE_CUDNN"); }
EXPORTED size_t cudnnGetCudartVersion() { return number("FAKE_CUDNN_CUDART"); }
EXPORTED int nvrtcVersion(int* major, int* minor) {
  *major = static_cast<int>(number("FAKE_NVRTC"));
  *minor = 0;
  return 0;
}

#ifdef NN_STUBS
#define STUB(name) \
  EXPORTED int name() { return 0; }
#include NN_STUBS
#endif
