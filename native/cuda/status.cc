#include "status.h"

#include "error.h"

namespace neuronode::cuda {

namespace {

thread_local DeviceHealth* currentHealth = nullptr;

// After these the context, and with it everything on the device, is gone for this process.
bool losesDevice(cudaError_t status) {
  switch (status) {
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorContextIsDestroyed:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorTensorMemoryLeak:
    case cudaErrorExternalDevice:
    case cudaErrorMpsClientTerminated:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

std::string describe(cudaError_t status, const std::string& call) {
  return call + ": " + cudaGetErrorName(status) + ": " + cudaGetErrorString(status);
}

void markCurrentLost(const std::string& why) {
  if (DeviceHealth* health = DeviceHealth::current()) health->markLost(why);
}

}  // namespace

void checkCuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  // The runtime keeps the last error, which the next launch's check would take for its own.
  cudaGetLastError();
  const std::string message = describe(status, call);
  if (status == cudaErrorMemoryAllocation) throw Error(errc::kOutOfMemory, message);
  if (!losesDevice(status)) throw Error(errc::kNative, message);
  markCurrentLost(message);
  throw Error(errc::kDeviceFailed, message);
}

void checkCublas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string message =
      std::string(call) + ": " + cublasGetStatusName(status) + ": " + cublasGetStatusString(status);
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw Error(errc::kOutOfMemory, message);
  // The library does not pass on why a launch failed; the runtime knows.
  const cudaError_t cause = cudaGetLastError();
  if (cause == cudaSuccess) throw Error(errc::kNative, message);
  const std::string whole = message + " (" + describe(cause, "CUDA") + ")";
  if (!losesDevice(cause)) throw Error(errc::kNative, whole);
  markCurrentLost(whole);
  throw Error(errc::kDeviceFailed, whole);
}

void reportCuda(cudaError_t status) noexcept {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  if (!losesDevice(status)) return;
  try {
    markCurrentLost(describe(status, "while freeing"));
  } catch (const std::exception&) {
    // No memory for the message; the next call finds the device lost by itself.
  }
}

void DeviceHealth::setCurrent(DeviceHealth* health) { currentHealth = health; }

DeviceHealth* DeviceHealth::current() { return currentHealth; }

void DeviceHealth::markLost(const std::string& why) {
  if (lost_) return;
  why_ = why;
  lost_ = true;
}

void DeviceHealth::throwIfLost() const {
  if (!lost_) return;
  throw Error(
      errc::kDeviceFailed,
      "the device was lost by an earlier failure, and this process cannot use it any more: " +
          why_);
}

}  // namespace neuronode::cuda
