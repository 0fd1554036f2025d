// Owners of what CUDA and cuBLAS hand out. All are movable, none throws in its destructor.
//
// Policy: memory is freed only after the device has done with it; DeviceMemory waits for the whole
// device before it frees, since a free is rare and a read after it is not survivable.
#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <type_traits>

namespace neuronode::cuda {

struct StreamDeleter {
  void operator()(cudaStream_t stream) const noexcept;
};
struct EventDeleter {
  void operator()(cudaEvent_t event) const noexcept;
};
struct GraphDeleter {
  void operator()(cudaGraph_t graph) const noexcept;
};
struct GraphExecDeleter {
  void operator()(cudaGraphExec_t exec) const noexcept;
};
struct BlasDeleter {
  void operator()(cublasHandle_t handle) const noexcept;
};
struct BlasLtDeleter {
  void operator()(cublasLtHandle_t handle) const noexcept;
};
struct DeviceMemoryDeleter {
  void operator()(void* memory) const noexcept;
};
struct PinnedMemoryDeleter {
  void operator()(void* memory) const noexcept;
};

using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, StreamDeleter>;
using Event = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, EventDeleter>;
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, GraphDeleter>;
using GraphExec = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphExecDeleter>;
using BlasHandle = std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, BlasDeleter>;
using BlasLtHandle = std::unique_ptr<std::remove_pointer_t<cublasLtHandle_t>, BlasLtDeleter>;
using DeviceMemory = std::unique_ptr<void, DeviceMemoryDeleter>;
using PinnedMemory = std::unique_ptr<void, PinnedMemoryDeleter>;

Stream makeStream();  // does not wait for the default stream
Event makeEvent();    // without timing
Event makeTimingEvent();
// Throws ERR_NN_OUT_OF_MEMORY with what was asked for, what is free and what there is in total.
DeviceMemory makeDeviceMemory(size_t bytes);
PinnedMemory makePinnedMemory(size_t bytes);

}  // namespace neuronode::cuda
