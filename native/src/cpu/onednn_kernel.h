// A oneDNN primitive as a Kernel: memory objects made once, pointers set at each run. Several may
// run at a time, since each has a stream of its own.
#pragma once

#include <unordered_map>

#include "cpu/kernels.h"
#include "cpu/pointwise/pointwise.h"

namespace neuronode {

class OnednnKernel : public Kernel {
 public:
  OnednnKernel(CpuBackend& backend, dnnl::primitive primitive, const onednn::Desc& scratchpad)
      : backend_(backend), stream_(backend.engine()), primitive_(std::move(primitive)) {
    workspaceBytes = scratchpad.get_size();
    scratch_ = addArgument(DNNL_ARG_SCRATCHPAD, scratchpad);
  }

  // In the node's order.
  void addInput(int argument, const onednn::Desc& desc, const Shape& shape) {
    inputs_.push_back(addArgument(argument, desc));
    inputLayouts.push_back(backend_.layoutOf(desc, shape));
  }
  void addOutput(int argument, const onednn::Desc& desc, const Shape& shape) {
    outputs_.push_back(addArgument(argument, desc));
    outputLayouts.push_back(backend_.layoutOf(desc, shape));
  }
  // ReLU in a pass over the fresh output: oneDNN's own fused form turns NaN into zero, which would
  // hide that a training diverges.
  void addRelu() { reluFloats_ = outputFloats(); }
  // For input gradients, of which the library has no fused form: the ReLU's output is one more
  // input in the same layout.
  void addReluMask() {
    maskedFloats_ = outputFloats();
    inputLayouts.push_back(outputLayouts[0]);
  }

  void run(std::span<void* const> inputs, std::span<void* const> outputs,
           void* workspace) override {
    onednn::guarded(name, [&] {
      for (size_t i = 0; i < inputs_.size(); ++i) inputs_[i].set_data_handle(inputs[i]);
      for (size_t i = 0; i < outputs_.size(); ++i) outputs_[i].set_data_handle(outputs[i]);
      scratch_.set_data_handle(workspace);
      primitive_.execute(stream_, arguments_);
      stream_.wait();
    });
    auto* result = as<float>(outputs[0]);
    if (reluFloats_ > 0) pointwiseKernels().relu(result, result, reluFloats_, 0);
    if (maskedFloats_ > 0) {
      pointwiseKernels().reluGrad(result, as<const float>(inputs.back()), result, maskedFloats_, 0);
    }
  }

 private:
  // Copies of a dnnl::memory share one handle, so setting the copy's pointer sets the argument's.
  dnnl::memory addArgument(int argument, const onednn::Desc& desc) {
    return arguments_[argument] = dnnl::memory(desc, backend_.engine(), nullptr);
  }

  int64_t outputFloats() const {
    return static_cast<int64_t>(outputs_[0].get_desc().get_size() / sizeof(float));
  }

  CpuBackend& backend_;
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  dnnl::memory scratch_;
  std::vector<dnnl::memory> inputs_, outputs_;
  std::unordered_map<int, dnnl::memory> arguments_;
  int64_t reluFloats_ = 0;
  int64_t maskedFloats_ = 0;
};

// A kernel around `primitive`, still without inputs and outputs, named after its implementation.
template <typename PrimitiveDesc>
std::unique_ptr<OnednnKernel> onednnKernel(CpuBackend& backend, const std::string& family,
                                           const PrimitiveDesc& pd, dnnl::primitive primitive) {
  auto kernel = std::make_unique<OnednnKernel>(backend, std::move(primitive), pd.scratchpad_desc());
  kernel->name = family + " " + pd.impl_info_str();
  return kernel;
}

}  // namespace neuronode
