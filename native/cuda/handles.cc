#include "handles.h"

#include <string>

#include "error.h"
#include "status.h"

namespace neuronode::cuda {

namespace {

// What cudaMalloc could not give.
[[noreturn]] void throwOutOfMemory(size_t bytes) {
  cudaGetLastError();
  size_t free = 0, total = 0;
  int device = 0;
  NN_CHECK_CUDA(cudaMemGetInfo(&free, &total));
  NN_CHECK_CUDA(cudaGetDevice(&device));
  throw Error(errc::kOutOfMemory, "cuda:" + std::to_string(device) + ": " + mebibytes(bytes) +
                                      " MiB requested, " + mebibytes(free) + " MiB free of " +
                                      mebibytes(total) + " MiB");
}

}  // namespace

void StreamDeleter::operator()(cudaStream_t stream) const noexcept {
  NN_REPORT_CUDA(cudaStreamDestroy(stream));
}

void EventDeleter::operator()(cudaEvent_t event) const noexcept {
  NN_REPORT_CUDA(cudaEventDestroy(event));
}

void GraphDeleter::operator()(cudaGraph_t graph) const noexcept {
  NN_REPORT_CUDA(cudaGraphDestroy(graph));
}

void GraphExecDeleter::operator()(cudaGraphExec_t exec) const noexcept {
  NN_REPORT_CUDA(cudaGraphExecDestroy(exec));
}

// Where cuBLAS fails to take its own apart, all that matters is whether the device is lost.
void BlasDeleter::operator()(cublasHandle_t handle) const noexcept {
  if (cublasDestroy(handle) != CUBLAS_STATUS_SUCCESS) NN_REPORT_CUDA(cudaGetLastError());
}

void BlasLtDeleter::operator()(cublasLtHandle_t handle) const noexcept {
  if (cublasLtDestroy(handle) != CUBLAS_STATUS_SUCCESS) NN_REPORT_CUDA(cudaGetLastError());
}

void DeviceMemoryDeleter::operator()(void* memory) const noexcept {
  NN_REPORT_CUDA(cudaDeviceSynchronize());
  NN_REPORT_CUDA(cudaFree(memory));
}

void PinnedMemoryDeleter::operator()(void* memory) const noexcept {
  NN_REPORT_CUDA(cudaDeviceSynchronize());
  NN_REPORT_CUDA(cudaFreeHost(memory));
}

Stream makeStream() {
  cudaStream_t stream = nullptr;
  NN_CHECK_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

Event makeEvent() {
  cudaEvent_t event = nullptr;
  NN_CHECK_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return Event(event);
}

Event makeTimingEvent() {
  cudaEvent_t event = nullptr;
  NN_CHECK_CUDA(cudaEventCreate(&event));
  return Event(event);
}

DeviceMemory makeDeviceMemory(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) throwOutOfMemory(bytes);
  checkCuda(status, "cudaMalloc");
  return DeviceMemory(memory);
}

PinnedMemory makePinnedMemory(size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t status = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error(errc::kOutOfMemory,
                mebibytes(bytes) +
                    " MiB of page-locked host memory requested, which the system "
                    "could not give");
  }
  checkCuda(status, "cudaHostAlloc");
  return PinnedMemory(memory);
}

}  // namespace neuronode::cuda
