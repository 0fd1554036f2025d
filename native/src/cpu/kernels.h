// How the CPU backend makes its kernels: one function per family, each in a file of its own.
#pragma once

#include <memory>

#include "cpu/cpu_backend.h"
#include "cpu/plane_shape.h"
#include "function_kernel.h"
#include "nest.h"

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
std::unique_ptr<Kernel> makeBatchNorm(const KernelRequest& request);
std::unique_ptr<Kernel> makeGroupNorm(const KernelRequest& request);
std::unique_ptr<Kernel> makeToFloat(const KernelRequest& request);
std::unique_ptr<Kernel> makePointwise(const KernelRequest& request);
std::unique_ptr<Kernel> makeDropout(const KernelRequest& request);
std::unique_ptr<Kernel> makeNormalisation(const KernelRequest& request);
std::unique_ptr<Kernel> makeResampling(const KernelRequest& request);
std::unique_ptr<Kernel> makeSoftmax(const KernelRequest& request);
std::unique_ptr<Kernel> makeLoss(const KernelRequest& request);
std::unique_ptr<Kernel> makeJoining(const KernelRequest& request);
std::unique_ptr<Kernel> makeReduction(const KernelRequest& request);
std::unique_ptr<Kernel> makeOptimizerStep(const KernelRequest& request);

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

// The axes of a tensor's memory: its own, or [N, C/block, H, W, block] where it is blocked.
inline Axes memoryAxes(const CpuBackend& backend, const Shape& shape, Layout layout) {
  if (layout != Layout::Blocked) return shape;
  const int64_t block = backend.channelBlock();
  return {shape[0], (shape[1] + block - 1) / block, shape[2], shape[3], block};
}

}  // namespace neuronode
