#include "cpu/conv_gemm.h"

#include <omp.h>

#include "cpu/conv_tensors.h"
#include "cpu/gemm_conv.h"

namespace neuronode {

namespace {

class GemmConvKernel : public Kernel {
 public:
  explicit GemmConvKernel(const KernelRequest& request)
      : conv_(convShape(request), omp_get_max_threads()),
        isForward_(request.node.spec.op == Op::Conv2d),
        relu_(request.node.relu),
        mask_(request.node.reluMask),
        outputFloats_(elementCount(request.outputs[0].shape)) {
    name = "direct gemm";
    workspaceBytes = isForward_ ? conv_.forwardBytes() : conv_.inputGradientBytes();
    inputLayouts = std::vector(request.inputs.size(), Layout::Plain);
    outputLayouts = {Layout::Plain};
  }

  void run(std::span<void* const> in, std::span<void* const> out, void* workspace) override {
    const auto *first = as<const float>(in[0]), *w = as<const float>(in[1]);
    const float* third = in.size() == 3 ? as<const float>(in[2]) : nullptr;
    auto* result = as<float>(out[0]);
    if (isForward_) {
      conv_.forward(first, w, third, result, relu_, workspace);
      return;
    }
    conv_.inputGradient(first, w, result, workspace);
    if (mask_) elementwiseKernels().reluGrad(result, third, result, outputFloats_);
  }

 private:
  GemmConv conv_;
  bool isForward_, relu_, mask_;
  int64_t outputFloats_;
};

}  // namespace

std::unique_ptr<Kernel> makeGemmConvolution(const KernelRequest& request) {
  return std::make_unique<GemmConvKernel>(request);
}

}  // namespace neuronode
