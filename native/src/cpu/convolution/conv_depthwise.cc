#include "cpu/convolution/conv_depthwise.h"

#include "cpu/convolution/conv_tensors.h"
#include "cpu/convolution/conv_weight_grad.h"
#include "cpu/convolution/depthwise.h"

namespace neuronode {

namespace {

class DepthwiseKernel : public Kernel {
 public:
  explicit DepthwiseKernel(const KernelRequest& request)
      : conv_(convShape(request), request.node.spec.op == Op::Conv2d
                                      ? DepthwiseConv::Pass::Forward
                                      : DepthwiseConv::Pass::InputGradient),
        bias_(request.node.spec.op == Op::Conv2d && request.inputs.size() == 3),
        relu_(request.node.relu),
        mask_(request.node.reluMask) {
    name = "direct depthwise";
    workspaceBytes = conv_.workspaceBytes();
    inputLayouts = {Layout::Blocked, Layout::Plain};
    if (bias_) inputLayouts.push_back(Layout::Plain);
    if (mask_) inputLayouts.push_back(Layout::Blocked);
    outputLayouts = {Layout::Blocked};
  }

  void run(std::span<void* const> in, std::span<void* const> out, void* workspace) override {
    conv_.run(as<const float>(in[0]), as<const float>(in[1]),
              bias_ ? as<const float>(in[2]) : nullptr, mask_ ? as<const float>(in[2]) : nullptr,
              relu_, as<float>(out[0]), workspace);
  }

 private:
  DepthwiseConv conv_;
  bool bias_, relu_, mask_;
};

}  // namespace

bool depthwiseFits(const KernelRequest& request) { return isDepthwise(convShape(request)); }

std::unique_ptr<Kernel> makeDepthwiseConvolution(const KernelRequest& request) {
  if (request.node.spec.op == Op::Conv2dWeightGrad) return makeDepthwiseWeightGrad(request);
  return std::make_unique<DepthwiseKernel>(request);
}

}  // namespace neuronode
