// What one GPU's kernels share: its streams and handles, its layouts, its convolution planner and
// pooling library. Used on the device's own thread only.
#pragma once

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "convolution/plan.h"
#include "handles.h"
#include "layouts.h"
#include "pooling/library_pooling.h"
#include "status.h"

namespace neuronode::cuda {

// Facts of the hardware, read once.
struct GpuFacts {
  int ordinal = 0;
  std::string model = "";
  int computeMajor = 0, computeMinor = 0;
  int multiprocessors = 0;
  size_t totalMemory = 0;
};

// As the driver tells them.
GpuFacts readFacts(int ordinal);

// cuBLAS's own: what NVIDIA recommends for Hopper; other devices do with less.
inline constexpr size_t kBlasWorkspaceBytes = size_t{32} << 20;

class Context {
 public:
  // Makes the streams and handles. Throws where one cannot be made, with nothing left behind.
  explicit Context(const GpuFacts& facts, DeviceHealth& health);

  const GpuFacts& facts() const { return facts_; }
  DeviceHealth& health() { return health_; }
  cudaStream_t compute() const { return compute_.get(); }  // kernels
  cudaStream_t copy() const { return copy_.get(); }        // uploads of the next run
  cublasHandle_t blas() const { return blas_.get(); }      // on compute(), with a workspace
  cublasLtHandle_t blasLt() const { return blasLt_.get(); }
  void* blasWorkspace() const { return blasWorkspace_.get(); }
  ConvPlanner& planner() { return *planner_; }
  LibraryPooling& pooling() { return *pooling_; }
  LayoutTable& layouts() { return layouts_; }
  const LayoutInfo& info(const TensorDesc& desc) const { return layouts_.info(desc.layout); }
  IndexMap map(const TensorDesc& desc) const { return indexMap(info(desc), desc.shape); }

 private:
  GpuFacts facts_;
  DeviceHealth& health_;
  Stream compute_, copy_;
  DeviceMemory blasWorkspace_;
  BlasHandle blas_;
  BlasLtHandle blasLt_;
  LayoutTable layouts_;
  std::unique_ptr<ConvPlanner> planner_;
  std::unique_ptr<LibraryPooling> pooling_;
};

}  // namespace neuronode::cuda
