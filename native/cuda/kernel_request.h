// How the CUDA backend makes its kernels: one function per family, each in a file of its own, with
// a second function that says which layout the family would like an input in.
//
// Policy: all that a kernel needs besides its tensors (tables, plans, descriptors) is made here, at
// compile time. run() puts work on Context::compute() and returns: it allocates nothing, waits for
// nothing, and reads no device memory, so that a graph can record it.
#pragma once

#include <memory>

#include "backend.h"
#include "context.h"
#include "floats.h"
#include "function_kernel.h"
#include "nest.h"

namespace neuronode::cuda {

struct KernelRequest {
  Context& context;
  const FusedNode& node;
  std::span<const TensorDesc> inputs;
  std::span<const TensorDesc> outputs;
  const KernelOptions& options;

  Op op() const { return node.spec.op; }
  Attrs::Pair pair(const char* name) const { return node.spec.attrs.pair(name); }

  // How activations and the operands of products are stored.
  Storage storage() const {
    return options.precision == Precision::BF16 ? Storage::BF16 : Storage::F32;
  }
  const LayoutInfo& info(Layout layout) const { return context.layouts().info(layout); }
  Layout layout(const LayoutInfo& info) const { return context.layouts().id(info); }
  Layout plain(Storage storage) const { return layout({.storage = storage}); }
  Layout channelsLast(Storage storage) const {
    return layout({.order = Order::ChannelsLast, .storage = storage});
  }
  // What products write matrices as: rows whose pitch is a multiple of 8 elements, which the fast
  // kernels of the library need. What lies between a row's end and the next is undefined.
  Layout rows(int64_t columns, Storage storage) const {
    constexpr int64_t kMultiple = 8;
    const int64_t pitch = (columns + kMultiple - 1) / kMultiple * kMultiple;
    return layout({.storage = storage, .rowPitch = pitch == columns ? 0 : pitch});
  }
  // What of a layout a tensor keeps whose memory is walked through by its axes: dense, in plain
  // order or channels-last.
  LayoutInfo walkable(const TensorDesc& desc) const {
    const LayoutInfo& own = info(desc.layout);
    const bool isLast = own.order == Order::ChannelsLast && desc.shape.size() == 4;
    return {.order = isLast ? Order::ChannelsLast : Order::Plain, .storage = own.storage};
  }
  // Elements of memory, padding included, of a tensor of this shape in this layout.
  IndexMap map(Layout layout, const Shape& shape) const { return indexMap(info(layout), shape); }
};

std::unique_ptr<Kernel> makeConvolution(const KernelRequest& request);
std::unique_ptr<Kernel> makePooling(const KernelRequest& request);
std::unique_ptr<Kernel> makeLinear(const KernelRequest& request);
std::unique_ptr<Kernel> makeGemm(const KernelRequest& request);
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

// Backend::preferredLayout of the families that have a preference.
Layout preferredByConvolution(const KernelRequest& request, size_t input);
Layout preferredByPooling(const KernelRequest& request, size_t input);
Layout preferredByLinear(const KernelRequest& request, size_t input);
Layout preferredByNormalisation(const KernelRequest& request, size_t input);
Layout preferredByResampling(const KernelRequest& request);
Layout preferredBySoftmax(const KernelRequest& request, size_t input);
Layout preferredByLoss(const KernelRequest& request, size_t input);
Layout preferredByOptimizer(const KernelRequest& request, size_t input);

// The layout, or the plain one where nobody has decided it.
inline Layout decided(Layout layout) {
  return layout == Layout::Undecided ? Layout::Plain : layout;
}

// The axes of a tensor's memory: its own, or [N, H, W, C] where channels are last.
inline Axes memoryAxes(const Shape& shape, Order order) {
  if (order != Order::ChannelsLast) return shape;
  return {shape[0], shape[2], shape[3], shape[1]};
}

// From row to row of a matrix with that many columns.
inline int64_t pitchOf(const LayoutInfo& info, int64_t columns) {
  return info.rowPitch > 0 ? info.rowPitch : columns;
}

}  // namespace neuronode::cuda
