// How the CPU backend makes its kernels: one function per family, each in a file of its own.
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "cpu/cpu_backend.h"
#include "cpu/elementwise.h"

namespace neuronode {

struct KernelRequest {
  CpuBackend& backend;
  const FusedNode& node;
  std::span<const TensorDesc> inputs;
  std::span<const TensorDesc> outputs;
  const KernelOptions& options;

  Attrs::Pair pair(const char* name) const { return node.spec.attrs.pair(name); }
};

std::unique_ptr<Kernel> makeConvolution(const KernelRequest& request);
std::unique_ptr<Kernel> makeLinear(const KernelRequest& request);
std::unique_ptr<Kernel> makeGemm(const KernelRequest& request);
std::unique_ptr<Kernel> makePooling(const KernelRequest& request);
std::unique_ptr<Kernel> makeElementwise(const KernelRequest& request);
std::unique_ptr<Kernel> makeLoss(const KernelRequest& request);
std::unique_ptr<Kernel> makeOptimizerStep(const KernelRequest& request);

// A kernel that is one call of ours: what it needs is in the closure.
class FunctionKernel : public Kernel {
 public:
  using Inputs = std::span<void* const>;
  using Body = std::function<void(Inputs inputs, Inputs outputs)>;

  FunctionKernel(std::string kernelName, std::vector<Layout> in, std::vector<Layout> out, Body body)
      : body_(std::move(body)) {
    name = std::move(kernelName);
    inputLayouts = std::move(in);
    outputLayouts = std::move(out);
  }

  void run(std::span<void* const> inputs, std::span<void* const> outputs, void*) override {
    body_(inputs, outputs);
  }

 private:
  Body body_;
};

template <typename T>
T* as(void* pointer) {
  return static_cast<T*>(pointer);
}

// The layout to compute in where the operation is at home in both: the present one, or plain where
// that is neither plain nor blocked.
inline Layout planeLayout(const TensorDesc& desc) {
  return desc.layout == Layout::Blocked ? Layout::Blocked : Layout::Plain;
}

// A tensor of two or more dimensions as images, channels and pixels; of fewer, as one row.
inline PlaneShape planeShape(const CpuBackend& backend, const TensorDesc& desc, Layout layout) {
  const Shape& shape = desc.shape;
  if (shape.size() < 2) return {1, elementCount(shape), 1, 1};
  const int64_t pixels = elementCount(shape) / (shape[0] * shape[1]);
  return {shape[0], shape[1], pixels, layout == Layout::Blocked ? backend.channelBlock() : 1};
}

}  // namespace neuronode
