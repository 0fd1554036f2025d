#include "cpu/convolution/conv_weight_grad.h"

#include "cpu/channels.h"
#include "cpu/convolution/blocked_weight_grad.h"
#include "cpu/convolution/conv_tensors.h"
#include "cpu/convolution/depthwise.h"
#include "cpu/convolution/few_channels.h"

namespace neuronode {

namespace {

// A gradient that reads x in a layout of its own and gy channel-blocked; the bias's with it.
template <class Grad>
class WeightGradKernel : public Kernel {
 public:
  WeightGradKernel(const KernelRequest& request, const char* kernelName, Layout input)
      : grad_(convShape(request)),
        outputPlane_(planeShape(request.backend, request.inputs[1], Layout::Blocked)) {
    name = kernelName;
    workspaceBytes = grad_.workspaceBytes();
    inputLayouts = {input, Layout::Blocked};
    outputLayouts = std::vector(request.outputs.size(), Layout::Plain);
  }

  void run(std::span<void* const> in, std::span<void* const> out, void* workspace) override {
    grad_.run(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), workspace);
    if (out.size() == 2) {
      channelKernels().channelSum(as<const float>(in[1]), as<float>(out[1]), outputPlane_);
    }
  }

 private:
  Grad grad_;
  PlaneShape outputPlane_;
};

}  // namespace

bool fewChannelsFit(const KernelRequest& request) {
  return request.node.spec.op == Op::Conv2dWeightGrad &&
         request.node.spec.attrs.integer("groups") == 1 &&
         request.inputs[0].shape[1] < kFewChannels;
}

std::unique_ptr<Kernel> makeFewChannelsWeightGrad(const KernelRequest& request) {
  return std::make_unique<WeightGradKernel<FewChannelsWeightGrad>>(request, "direct few channels",
                                                                   Layout::Plain);
}

bool blockedWeightGradFits(const KernelRequest& request) {
  return request.node.spec.op == Op::Conv2dWeightGrad &&
         BlockedWeightGrad::supported(convShape(request), request.backend.channelBlock());
}

std::unique_ptr<Kernel> makeBlockedWeightGrad(const KernelRequest& request) {
  return std::make_unique<WeightGradKernel<BlockedWeightGrad>>(request, "direct blocked",
                                                               Layout::Blocked);
}

std::unique_ptr<Kernel> makeDepthwiseWeightGrad(const KernelRequest& request) {
  return std::make_unique<WeightGradKernel<DepthwiseWeightGrad>>(request, "direct depthwise",
                                                                 Layout::Blocked);
}

}  // namespace neuronode
