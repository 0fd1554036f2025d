#include "cpu/conv_blocked.h"

#include "cpu/blocked_weight_grad.h"
#include "cpu/conv_tensors.h"

namespace neuronode {

namespace {

BlockedGradShape shapeOf(const KernelRequest& request) {
  const ConvTensors tensors = convTensors(request);
  const Shape &x = tensors.x.shape, &w = tensors.w.shape, &y = tensors.y.shape;
  const Attrs::Pair stride = request.pair("stride"), padding = request.pair("padding");
  const Attrs::Pair dilation = request.pair("dilation");
  return {x[0],      x[1],       x[2],       x[3],
          w[0],      w[2],       w[3],       y[2],
          y[3],      stride.h,   stride.w,   padding.h,
          padding.w, dilation.h, dilation.w, request.node.spec.attrs.integer("groups")};
}

class BlockedKernel : public Kernel {
 public:
  explicit BlockedKernel(const KernelRequest& request)
      : grad_(shapeOf(request)),
        outputPlane_(planeShape(request.backend, request.inputs[1], Layout::Blocked)) {
    name = "direct blocked";
    workspaceBytes = grad_.workspaceBytes();
    inputLayouts = {Layout::Blocked, Layout::Blocked};
    outputLayouts = std::vector(request.outputs.size(), Layout::Plain);
  }

  void run(std::span<void* const> in, std::span<void* const> out, void* workspace) override {
    grad_.run(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), workspace);
    if (out.size() == 2) {
      elementwiseKernels().channelSum(as<const float>(in[1]), as<float>(out[1]), outputPlane_);
    }
  }

 private:
  BlockedWeightGrad grad_;
  PlaneShape outputPlane_;
};

}  // namespace

bool blockedWeightGradFits(const KernelRequest& request) {
  return request.node.spec.op == Op::Conv2dWeightGrad &&
         BlockedWeightGrad::supported(shapeOf(request), request.backend.channelBlock());
}

std::unique_ptr<Kernel> makeBlockedWeightGrad(const KernelRequest& request) {
  return std::make_unique<BlockedKernel>(request);
}

}  // namespace neuronode
