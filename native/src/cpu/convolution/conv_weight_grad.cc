#include "cpu/convolution/conv_weight_grad.h"

#include <utility>

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
  WeightGradKernel(const KernelRequest& request, const char* kernelName, Layout input, Grad grad,
                   Layout weights = Layout::Plain)
      : grad_(std::move(grad)),
        outputPlane_(planeShape(request.backend, request.inputs[1], Layout::Blocked)) {
    name = kernelName;
    workspaceBytes = grad_.workspaceBytes();
    inputLayouts = {input, Layout::Blocked};
    outputLayouts = std::vector(request.outputs.size(), Layout::Plain);
    outputLayouts[0] = weights;
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
  return std::make_unique<WeightGradKernel<FewChannelsWeightGrad>>(
      request, "direct few channels", Layout::Plain, FewChannelsWeightGrad(convShape(request)));
}

bool blockedWeightGradFits(const KernelRequest& request) {
  return request.node.spec.op == Op::Conv2dWeightGrad &&
         BlockedWeightGrad::supported(convShape(request), request.backend.channelBlock());
}

std::unique_ptr<Kernel> makeBlockedWeightGrad(const KernelRequest& request) {
  const TensorDesc& gw = request.outputs[0];
  const ConvShape shape = convShape(request);
  // As the parameter lies that it is for, where that is one of the two orders.
  const Layout blocked = request.backend.blockedWeights(gw.shape, shape.groups);
  const bool isBlocked = gw.layout == blocked;
  const WeightOrder order = isBlocked ? WeightOrder::Blocked : WeightOrder::Plain;
  return std::make_unique<WeightGradKernel<BlockedWeightGrad>>(
      request, "direct blocked", Layout::Blocked,
      BlockedWeightGrad(shape, blockedGradKernels(), order), isBlocked ? blocked : Layout::Plain);
}

std::unique_ptr<Kernel> makeDepthwiseWeightGrad(const KernelRequest& request) {
  return std::make_unique<WeightGradKernel<DepthwiseWeightGrad>>(
      request, "direct depthwise", Layout::Blocked, DepthwiseWeightGrad(convShape(request)));
}

}  // namespace neuronode
