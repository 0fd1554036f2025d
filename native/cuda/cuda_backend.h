// The CUDA backend: cuDNN's and cuBLAS's kernels and our own behind backend.h.
//
// Policy: used on the device's own thread only. Every call throws ERR_NN_DEVICE_FAILED once the
// device is lost.
#pragma once

#include "backend.h"
#include "context.h"

namespace neuronode::cuda {

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(Context& context);

  bool isAsynchronous() const override { return true; }
  void synchronize() override;
  std::unique_ptr<Laps> makeLaps() override;
  size_t bytes(const TensorDesc& desc) const override;
  std::unique_ptr<Buffer> allocate(size_t bytes) override;
  size_t availableBytes() const override;
  std::unique_ptr<Kernel> makeKernel(const FusedNode& node, std::span<const TensorDesc> inputs,
                                     std::span<const TensorDesc> outputs,
                                     const KernelOptions& options) override;
  std::unique_ptr<Kernel> makeReorder(const TensorDesc& from, const TensorDesc& to) override;
  std::unique_ptr<Executor> makeExecutor(std::vector<Transfer> inputs,
                                         std::vector<Transfer> outputs) override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  Layout preferredLayout(const FusedNode& node, std::span<const TensorDesc> inputs,
                         std::span<const TensorDesc> outputs, size_t input,
                         const KernelOptions& options) override;
  Layout viewLayout(const TensorDesc& from, const Shape& to) override;
  Layout storageLayout(Layout wanted) override;
  bool mergesUpdates() const override { return true; }

 private:
  void throwIfLost() const { context_.health().throwIfLost(); }

  Context& context_;
  PinnedMemory staging_;  // of upload() and download()
};

}  // namespace neuronode::cuda
