// Checks of the statuses that CUDA, cuBLAS and cuDNN return: one function for each library, which
// throws an Error with the call's text, the code's name and the library's own words.
//
// Policy: every call is wrapped, those in destructors too (NN_REPORT_CUDA, which never throws).
// Errors after which the context is lost (an illegal address, a failed launch, an uncorrectable ECC
// error, a device that fell off the bus) are ERR_NN_DEVICE_FAILED and mark the thread's current
// device as dead; cudaErrorMemoryAllocation is ERR_NN_OUT_OF_MEMORY; the rest ERR_NN_NATIVE.
#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <atomic>
#include <string>

namespace neuronode::cuda {

void checkCuda(cudaError_t status, const char* call);
void checkCublas(cublasStatus_t status, const char* call);
// For destructors: remembers a lost device, drops the rest.
void reportCuda(cudaError_t status) noexcept;

#define NN_CHECK_CUDA(call) ::neuronode::cuda::checkCuda((call), #call)
#define NN_CHECK_CUBLAS(call) ::neuronode::cuda::checkCublas((call), #call)
#define NN_REPORT_CUDA(call) ::neuronode::cuda::reportCuda(call)

// Whether a device has been lost, and to what. One for each device.
class DeviceHealth {
 public:
  // The device that this thread works for: set once by the device's own thread, or a test's.
  static void setCurrent(DeviceHealth* health);
  static DeviceHealth* current();

  void markLost(const std::string& why);
  bool isLost() const { return lost_; }
  // To what the device was lost; once it is.
  const std::string& why() const { return why_; }
  // Throws ERR_NN_DEVICE_FAILED with the first loss's message once the device is lost.
  void throwIfLost() const;

 private:
  std::atomic<bool> lost_ = false;
  std::string why_;  // written before lost_ is set
};

}  // namespace neuronode::cuda
