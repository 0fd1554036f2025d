#include "cpu/convolution/conv_gemm.h"

#include <omp.h>

#include "cpu/channels.h"
#include "cpu/convolution/conv_tensors.h"
#include "cpu/convolution/gemm_conv.h"
#include "cpu/pointwise/pointwise.h"

namespace neuronode {

namespace {

class GemmConvKernel : public Kernel {
 public:
  explicit GemmConvKernel(const KernelRequest& request)
      : conv_(convShape(request), omp_get_max_threads()),
        op_(request.node.spec.op),
        relu_(request.node.relu),
        mask_(request.node.reluMask),
        output_(planeShape(request.backend, convTensors(request).y, Layout::Plain)),
        resultFloats_(elementCount(request.outputs[0].shape)) {
    name = "direct gemm";
    switch (op_) {
      case Op::Conv2d:
        workspaceBytes = conv_.forwardBytes();
        break;
      case Op::Conv2dInputGrad:
        workspaceBytes = conv_.inputGradientBytes();
        break;
      default:
        workspaceBytes = conv_.weightGradientBytes();
        break;
    }
    inputLayouts = std::vector(request.inputs.size(), Layout::Plain);
    outputLayouts = std::vector(request.outputs.size(), Layout::Plain);
  }

  void run(std::span<void* const> in, std::span<void* const> out, void* workspace) override {
    const auto *first = as<const float>(in[0]), *second = as<const float>(in[1]);
    const float* third = in.size() == 3 ? as<const float>(in[2]) : nullptr;
    auto* result = as<float>(out[0]);
    switch (op_) {
      case Op::Conv2d:
        conv_.forward(first, second, third, result, relu_, workspace);
        break;
      case Op::Conv2dInputGrad:
        conv_.inputGradient(first, second, result, workspace);
        if (mask_) pointwiseKernels().reluGrad(result, third, result, resultFloats_, 0);
        break;
      default:
        conv_.weightGradient(first, second, result, workspace);
        if (out.size() == 2) {
          channelKernels().channelSum(second, as<float>(out[1]), output_);
        }
        break;
    }
  }

 private:
  GemmConv conv_;
  Op op_;
  bool relu_, mask_;
  PlaneShape output_;
  int64_t resultFloats_;
};

}  // namespace

std::unique_ptr<Kernel> makeGemmConvolution(const KernelRequest& request) {
  return std::make_unique<GemmConvKernel>(request);
}

}  // namespace neuronode
