#include "convolution/cudnn_status.h"

#include "error.h"
#include "status.h"

namespace neuronode::cuda {

void checkDeviceLives(const char* call) {
  size_t free = 0, total = 0;
  checkCuda(cudaMemGetInfo(&free, &total), call);
}

void failCudnn(const std::string& call, const std::string& words) {
  const std::string message = call + ": " + words;
  checkDeviceLives(message.c_str());
  throw Error(errc::kNative, message);
}

void checkCudnn(cudnnStatus_t status, const char* call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::string words = std::string(cudnnGetErrorString(status));
  char last[512] = "";
  cudnnGetLastErrorString(last, sizeof last);
  if (last[0] != '\0') words += std::string(": ") + last;
  if (status == CUDNN_STATUS_ALLOC_FAILED) {
    throw Error(errc::kOutOfMemory, std::string(call) + ": " + words);
  }
  failCudnn(call, words);
}

void CudnnHandleDeleter::operator()(cudnnHandle_t handle) const noexcept {
  if (cudnnDestroy(handle) == CUDNN_STATUS_SUCCESS) return;
  size_t free = 0, total = 0;
  NN_REPORT_CUDA(cudaMemGetInfo(&free, &total));  // a lost device
}

CudnnHandle makeCudnnHandle(cudaStream_t stream) {
  cudnnHandle_t made = nullptr;
  NN_CHECK_CUDNN(cudnnCreate(&made));
  CudnnHandle handle(made);
  NN_CHECK_CUDNN(cudnnSetStream(handle.get(), stream));
  return handle;
}

std::string cudnnVersionText() {
  const size_t version = cudnnGetVersion();  // 92400 for 9.24.0
  return "cuDNN " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
         "." + std::to_string(version % 100);
}

}  // namespace neuronode::cuda
