// Devices, versions, errors by name.
#include <cstring>
#include <utility>

#include "core.h"

using namespace neuronode::cuda::emulation;

namespace {

cudaError_t driverError() {
  if (state().settings.driver < CUDART_VERSION / 1000 * 1000) return cudaErrorInsufficientDriver;
  return state().devices.empty() ? cudaErrorNoDevice : cudaSuccess;
}

bool isDevice(int device) {
  return device >= 0 && device < static_cast<int>(state().devices.size());
}

struct ErrorName {
  cudaError_t error;
  const char* name;
  const char* text;
};
#define NN_ERROR(error, text) \
  { error, #error, text }
constexpr ErrorName kErrors[] = {
    NN_ERROR(cudaSuccess, "no error"),
    NN_ERROR(cudaErrorInvalidValue, "invalid argument"),
    NN_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    NN_ERROR(cudaErrorInitializationError, "initialization error"),
    NN_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    NN_ERROR(cudaErrorInsufficientDriver,
             "CUDA driver version is insufficient for CUDA runtime version"),
    NN_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    NN_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    NN_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    NN_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    NN_ERROR(cudaErrorNotReady, "device not ready"),
    NN_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    NN_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    NN_ERROR(cudaErrorNotSupported, "operation not supported"),
    NN_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    NN_ERROR(cudaErrorStreamCaptureInvalidated,
             "operation failed due to a previous error during capture"),
    NN_ERROR(cudaErrorStreamCaptureMerge,
             "operation would result in a merge of separate capture sequences"),
    NN_ERROR(cudaErrorStreamCaptureUnmatched,
             "capture was not ended in the same stream as it began"),
    NN_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    NN_ERROR(cudaErrorStreamCaptureIsolation,
             "dependency created on uncaptured work in another stream"),
    NN_ERROR(cudaErrorStreamCaptureWrongThread,
             "attempt to terminate a thread-local capture sequence from another thread"),
    NN_ERROR(cudaErrorCapturedEvent,
             "operation not permitted on an event last recorded in a "
             "capturing stream"),
    NN_ERROR(cudaErrorECCUncorrectable, "uncorrectable ECC error encountered"),
    NN_ERROR(cudaErrorUnknown, "unknown error"),
};

const ErrorName* nameOf(cudaError_t error) {
  for (const ErrorName& each : kErrors) {
    if (each.error == error) return &each;
  }
  return nullptr;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  const ErrorName* found = nameOf(error);
  return found ? found->name : "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) {
  const ErrorName* found = nameOf(error);
  return found ? found->text : "unrecognized error code";
}

cudaError_t cudaGetLastError() {
  const std::lock_guard lock(state().mutex);
  if (isDevice(currentDevice()) && state().devices[currentDevice()].sticky != cudaSuccess) {
    return state().devices[currentDevice()].sticky;
  }
  return std::exchange(lastError(), cudaSuccess);
}

cudaError_t cudaPeekAtLastError() {
  const std::lock_guard lock(state().mutex);
  if (isDevice(currentDevice()) && state().devices[currentDevice()].sticky != cudaSuccess) {
    return state().devices[currentDevice()].sticky;
  }
  return lastError();
}

cudaError_t cudaDriverGetVersion(int* version) {
  return api("cudaDriverGetVersion", kNoDevice, [&] {
    *version = state().settings.driver;
    return cudaSuccess;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return api("cudaRuntimeGetVersion", kNoDevice, [&] {
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceCount(int* count) {
  return api("cudaGetDeviceCount", kNoDevice, [&] {
    const cudaError_t status = driverError();
    *count = status == cudaSuccess ? static_cast<int>(state().devices.size()) : 0;
    return status;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return api("cudaGetDevice", kNoDevice, [&] {
    *device = currentDevice();
    return driverError();
  });
}

cudaError_t cudaSetDevice(int device) {
  return api("cudaSetDevice", kNoDevice, [&] {
    if (const cudaError_t status = driverError(); status != cudaSuccess) return status;
    if (!isDevice(device)) return cudaErrorInvalidDevice;
    currentDevice() = device;
    return state().devices[device].sticky;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  return api("cudaGetDeviceProperties", kNoDevice, [&] {
    if (const cudaError_t status = driverError(); status != cudaSuccess) return status;
    if (!isDevice(device)) return cudaErrorInvalidDevice;
    const Settings& settings = state().settings;
    *properties = {};
    std::strcpy(properties->name, "Emulated H100 (host)");
    properties->totalGlobalMem = settings.memory;
    properties->major = settings.computeMajor;
    properties->minor = settings.computeMinor;
    properties->multiProcessorCount = 132;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsPerMultiProcessor = 2048;
    properties->sharedMemPerBlock = 48 << 10;
    properties->sharedMemPerBlockOptin = 227 << 10;
    properties->sharedMemPerMultiprocessor = 228 << 10;
    properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
    properties->l2CacheSize = 50 << 20;
    properties->memoryBusWidth = 5120;
    properties->unifiedAddressing = 1;
    properties->asyncEngineCount = 3;
    properties->concurrentKernels = 1;
    properties->pciBusID = device + 1;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return api("cudaDeviceGetAttribute", kNoDevice, [&] {
    if (const cudaError_t status = driverError(); status != cudaSuccess) return status;
    if (!isDevice(device)) return cudaErrorInvalidDevice;
    switch (attribute) {
      case cudaDevAttrComputeCapabilityMajor:
        *value = state().settings.computeMajor;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor:
        *value = state().settings.computeMinor;
        return cudaSuccess;
      case cudaDevAttrMultiProcessorCount:
        *value = 132;
        return cudaSuccess;
      case cudaDevAttrL2CacheSize:
        *value = 50 << 20;
        return cudaSuccess;
      default:
        return refuse(cudaErrorInvalidValue,
                      "the emulation has no attribute " + std::to_string(attribute));
    }
  });
}

cudaError_t cudaInitDevice(int device, unsigned, unsigned) {
  return api("cudaInitDevice", kNoDevice, [&] {
    if (const cudaError_t status = driverError(); status != cudaSuccess) return status;
    return isDevice(device) ? state().devices[device].sticky : cudaErrorInvalidDevice;
  });
}
