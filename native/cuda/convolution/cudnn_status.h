// Checks of what cuDNN returns, in the manner of status.h, and the owner of a cuDNN handle.
#pragma once

#include <cudnn.h>

#include <memory>
#include <string>
#include <type_traits>

namespace neuronode::cuda {

// Throws an Error with the call's text, the status's name and what the library last said. A lost
// device is ERR_NN_DEVICE_FAILED, an allocation that failed ERR_NN_OUT_OF_MEMORY.
void checkCudnn(cudnnStatus_t status, const char* call);
// The same of a call whose status went through cudnn-frontend, which keeps its words alone.
[[noreturn]] void failCudnn(const std::string& call, const std::string& words);

// Throws if the device is lost. The library has a CUDA runtime of its own, whose errors ours does
// not see, but the context is one.
void checkDeviceLives(const char* call);

#define NN_CHECK_CUDNN(call) ::neuronode::cuda::checkCudnn((call), #call)

struct CudnnHandleDeleter {
  void operator()(cudnnHandle_t handle) const noexcept;
};
using CudnnHandle = std::unique_ptr<std::remove_pointer_t<cudnnHandle_t>, CudnnHandleDeleter>;

// Puts its work on `stream`.
CudnnHandle makeCudnnHandle(cudaStream_t stream);

// Such as "cuDNN 9.24.0".
std::string cudnnVersionText();

}  // namespace neuronode::cuda
