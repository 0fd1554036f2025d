#include "cpu/conv_blocked.h"

#include "cpu/blocked_weight_grad.h"
#include "cpu/conv_tensors.h"

namespace neuronode {

namespace {

class BlockedKernel : public Kernel {
 public:
  explicit BlockedKernel(const KernelRequest& request)
      : grad_(convShape(request)),
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
         BlockedWeightGrad::supported(convShape(request), request.backend.channelBlock());
}

std::unique_ptr<Kernel> makeBlockedWeightGrad(const KernelRequest& request) {
  return std::make_unique<BlockedKernel>(request);
}

}  // namespace neuronode
