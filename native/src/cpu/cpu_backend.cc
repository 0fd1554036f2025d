#include "cpu/cpu_backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "cpu/isa.h"
#include "cpu/kernels.h"
#include "cpu/memory.h"
#include "direct_executor.h"

namespace neuronode {

using onednn::Desc;
using onednn::Dims;

namespace {

dnnl::memory::data_type onednnType(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return dnnl::memory::data_type::f32;
    case DType::I32:
      return dnnl::memory::data_type::s32;
    case DType::U8:
      return dnnl::memory::data_type::u8;
    case DType::F64:
      break;
  }
  throw Error(errc::kDType, "f64 tensors have one layout only");
}

Desc plainDesc(DType dtype, const Dims& dims) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  if (dims.empty()) return {{1}, onednnType(dtype), Dims{1}};
  return {dims, onednnType(dtype), strides};
}

class ReorderKernel : public Kernel {
 public:
  ReorderKernel(CpuBackend& backend, const Desc& from, const Desc& to)
      : backend_(backend),
        from_(from, backend.engine(), nullptr),
        to_(to, backend.engine(), nullptr) {
    const dnnl::reorder::primitive_desc pd(backend.engine(), from, backend.engine(), to,
                                           onednn::userScratchpad());
    scratch_ = dnnl::memory(pd.scratchpad_desc(), backend.engine(), nullptr);
    workspaceBytes = pd.scratchpad_desc().get_size();
    primitive_ = dnnl::reorder(pd);
    name = "reorder";
  }

  void run(std::span<void* const> inputs, std::span<void* const> outputs,
           void* workspace) override {
    onednn::guarded("reorder", [&] {
      from_.set_data_handle(inputs[0]);
      to_.set_data_handle(outputs[0]);
      scratch_.set_data_handle(workspace);
      primitive_.execute(
          backend_.stream(),
          {{DNNL_ARG_FROM, from_}, {DNNL_ARG_TO, to_}, {DNNL_ARG_SCRATCHPAD, scratch_}});
      backend_.stream().wait();
    });
  }

 private:
  CpuBackend& backend_;
  dnnl::memory from_, to_, scratch_;
  dnnl::reorder primitive_;
};

}  // namespace

CpuBackend::CpuBackend()
    : engine_(dnnl::engine::kind::cpu, 0),
      stream_(engine_),
      channelBlock_(neuronode::channelBlock(detectIsa())) {}

size_t CpuBackend::bytes(const TensorDesc& desc) const {
  if (desc.layout == Layout::Plain || desc.layout == Layout::Undecided) {
    return static_cast<size_t>(elementCount(desc.shape)) * dtypeSize(desc.dtype);
  }
  return describe(desc).get_size();
}

std::unique_ptr<Buffer> CpuBackend::allocate(size_t bytes) { return allocateHostMemory(bytes); }

size_t CpuBackend::availableBytes() const { return availableMemory(); }

std::unique_ptr<Executor> CpuBackend::makeExecutor(std::vector<Transfer> inputs,
                                                   std::vector<Transfer> outputs) {
  return makeDirectExecutor(*this, std::move(inputs), std::move(outputs));
}

void CpuBackend::upload(void* device, const void* host, size_t bytes) {
  std::memcpy(device, host, bytes);
}

void CpuBackend::download(void* host, const void* device, size_t bytes) {
  std::memcpy(host, device, bytes);
}

const Desc& CpuBackend::registered(Layout layout) const {
  return registered_.at(static_cast<size_t>(layout) - kFirstRegisteredLayout);
}

Desc CpuBackend::describe(const TensorDesc& desc) const {
  return describe(desc, Dims(desc.shape.begin(), desc.shape.end()));
}

Desc CpuBackend::describe(const TensorDesc& desc, const Dims& dims) const {
  switch (desc.layout) {
    case Layout::Undecided:
    case Layout::Plain:
      return plainDesc(desc.dtype, dims);
    case Layout::Blocked:
      return {dims, onednnType(desc.dtype),
              channelBlock_ == 16 ? dnnl::memory::format_tag::nChw16c
                                  : dnnl::memory::format_tag::nChw8c};
    default:
      return registered(desc.layout);
  }
}

Layout CpuBackend::layoutOf(const Desc& desc, const Shape& shape) {
  const Dims dims = onednn::dimsOf(desc);
  if (desc == plainDesc(DType::F32, dims)) return Layout::Plain;
  if (shape.size() == 4 && dims.size() == 4 &&
      desc == describe({DType::F32, shape, Layout::Blocked})) {
    return Layout::Blocked;
  }
  for (size_t i = 0; i < registered_.size(); ++i) {
    if (registered_[i] == desc) return static_cast<Layout>(kFirstRegisteredLayout + i);
  }
  registered_.push_back(desc);
  return static_cast<Layout>(kFirstRegisteredLayout + registered_.size() - 1);
}

Layout CpuBackend::blockedWeights(const Shape& shape, int64_t groups) {
  using Tag = dnnl::memory::format_tag;
  Dims dims(shape.begin(), shape.end());
  Tag tag = channelBlock_ == 16 ? Tag::OIhw16i16o : Tag::OIhw8i8o;
  if (groups > 1) {
    dims = {groups, shape[0] / groups, shape[1], shape[2], shape[3]};
    tag = channelBlock_ == 16 ? Tag::gOIhw16i16o : Tag::gOIhw8i8o;
  }
  return layoutOf({dims, dnnl::memory::data_type::f32, tag}, shape);
}

Layout CpuBackend::preferredLayout(const FusedNode& node, std::span<const TensorDesc> inputs,
                                   std::span<const TensorDesc> /*outputs*/, size_t input,
                                   const KernelOptions& /*options*/) {
  // An optimizer wants a gradient as its parameter lies.
  const bool isGradient = opInfo(node.spec.op).family == Family::Optimizer && input == 1;
  return isGradient ? inputs[0].layout : Layout::Undecided;
}

// Where the library has more than reference code for it.
bool CpuBackend::reordersDirectly(Layout from, Layout to) {
  if (std::min(static_cast<int>(from), static_cast<int>(to)) < kFirstRegisteredLayout) {
    return from == to;
  }
  const Desc &source = registered(from), &target = registered(to);
  if (onednn::dimsOf(source) != onednn::dimsOf(target)) return false;
  const dnnl::reorder::primitive_desc pd(engine_, source, engine_, target, onednn::userScratchpad(),
                                         true);
  return pd && std::string(pd.impl_info_str()).find("jit") != std::string::npos;
}

std::unique_ptr<Kernel> CpuBackend::makeReorder(const TensorDesc& from, const TensorDesc& to) {
  return onednn::guarded("reorder", [&] {
    const auto isRegistered = [](const TensorDesc& desc) {
      return static_cast<int>(desc.layout) >= kFirstRegisteredLayout;
    };
    // A registered layout may have split a dimension into groups: read the plain side likewise.
    Dims dims(from.shape.begin(), from.shape.end());
    if (isRegistered(from)) dims = onednn::dimsOf(registered(from.layout));
    if (isRegistered(to)) dims = onednn::dimsOf(registered(to.layout));
    auto kernel = std::make_unique<ReorderKernel>(*this, describe(from, dims), describe(to, dims));
    kernel->inputLayouts = {from.layout};
    kernel->outputLayouts = {to.layout};
    return kernel;
  });
}

std::unique_ptr<Kernel> CpuBackend::makeKernel(const FusedNode& node,
                                               std::span<const TensorDesc> inputs,
                                               std::span<const TensorDesc> outputs,
                                               const KernelOptions& options) {
  const KernelRequest request{*this, node, inputs, outputs, options};
  switch (opInfo(node.spec.op).family) {
    case Family::Conversion:
      return makeToFloat(request);
    case Family::Convolution:
      return makeConvolution(request);
    case Family::Linear:
      return node.spec.op == Op::Gemm ? makeGemm(request) : makeLinear(request);
    case Family::Pooling:
      return makePooling(request);
    case Family::Pointwise:
      return makePointwise(request);
    case Family::Joining:
      return makeJoining(request);
    case Family::Reduction:
      return makeReduction(request);
    case Family::Dropout:
      return makeDropout(request);
    case Family::Normalisation:
      return makeNormalisation(request);
    case Family::Resampling:
      return makeResampling(request);
    case Family::Softmax:
      return makeSoftmax(request);
    case Family::Loss:
      return makeLoss(request);
    case Family::Optimizer:
      return makeOptimizerStep(request);
    case Family::Reshape:
      break;  // a view, which needs no kernel
  }
  throw Error(errc::kArgument, std::string(opName(node.spec.op)) + " has no kernel");
}

}  // namespace neuronode
