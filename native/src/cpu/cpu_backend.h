// The CPU backend: oneDNN's primitives and our own kernels behind backend.h.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend.h"
#include "cpu/onednn.h"

namespace neuronode {

// Whose code computes a convolution.
enum class ConvKernel { Direct, FewChannels, Blocked, Depthwise, Winograd };

class CpuBackend : public Backend {
 public:
  CpuBackend();

  size_t bytes(const TensorDesc& desc) const override;
  std::unique_ptr<Buffer> allocate(size_t bytes) override;
  size_t availableBytes() const override;
  bool recomputesMasks() const override { return true; }
  std::unique_ptr<Kernel> makeKernel(const FusedNode& node, std::span<const TensorDesc> inputs,
                                     std::span<const TensorDesc> outputs,
                                     const KernelOptions& options) override;
  std::unique_ptr<Kernel> makeReorder(const TensorDesc& from, const TensorDesc& to) override;
  std::unique_ptr<Executor> makeExecutor(std::vector<Transfer> inputs,
                                         std::vector<Transfer> outputs) override;
  Layout preferredLayout(const FusedNode& node, std::span<const TensorDesc> inputs,
                         std::span<const TensorDesc> outputs, size_t input,
                         const KernelOptions& options) override;
  bool reordersDirectly(Layout from, Layout to) override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;

  // For the files of this folder.
  const dnnl::engine& engine() const { return engine_; }
  dnnl::stream& stream() { return stream_; }
  int channelBlock() const { return channelBlock_; }
  // oneDNN's view of a tensor. `dims` other than the shape's re-read a plain tensor, such as a
  // weight [K, C/g, h, w] as [g, K/g, C/g, h, w].
  onednn::Desc describe(const TensorDesc& desc) const;
  onednn::Desc describe(const TensorDesc& desc, const onednn::Dims& dims) const;
  // Plain or Blocked where the description is one of those, else one that is registered here.
  Layout layoutOf(const onednn::Desc& desc, const Shape& shape);

  // That of convolution weights in blocks of both channels, [G, K/V, C/V, h, w, V of C, V of K],
  // which the library's forward kernels read.
  Layout blockedWeights(const Shape& shape, int64_t groups);

  // Convolutions timed so far, by geometry and thread count.
  std::map<std::string, ConvKernel>& timedConvolutions() { return timedConvolutions_; }

 private:
  const onednn::Desc& registered(Layout layout) const;

  dnnl::engine engine_;
  dnnl::stream stream_;
  int channelBlock_;
  std::vector<onednn::Desc> registered_;
  std::map<std::string, ConvKernel> timedConvolutions_;
};

}  // namespace neuronode
