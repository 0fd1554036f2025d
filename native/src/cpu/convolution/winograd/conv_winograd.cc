#include "cpu/convolution/winograd/conv_winograd.h"

#include <limits>

#include "cpu/convolution/conv_tensors.h"
#include "cpu/convolution/winograd/winograd.h"

namespace neuronode {

namespace {

bool isOne(const Attrs::Pair& pair) { return pair.h == 1 && pair.w == 1; }

bool fitsInt(const Shape& shape) {
  for (int64_t extent : shape) {
    if (extent > std::numeric_limits<int>::max() / 64) return false;
  }
  return true;
}

WinogradShape winogradShape(const KernelRequest& request) {
  const ConvTensors tensors = convTensors(request);
  const Attrs::Pair padding = request.pair("padding");
  const auto size = [](int64_t extent) { return static_cast<int>(extent); };
  return {.n = size(tensors.x.shape[0]),
          .c = size(tensors.x.shape[1]),
          .k = size(tensors.w.shape[0]),
          .h = size(tensors.x.shape[2]),
          .w = size(tensors.x.shape[3]),
          .kernel = size(tensors.w.shape[2]),
          .padH = size(padding.h),
          .padW = size(padding.w)};
}

class WinogradKernel : public Kernel {
 public:
  explicit WinogradKernel(const KernelRequest& request)
      : conv_(winogradShape(request)),
        op_(request.node.spec.op),
        relu_(request.node.relu),
        mask_(request.node.reluMask) {
    name = conv_.shape().kernel == 3 ? "winograd F(4x4,3x3)" : "winograd F(2x2,5x5)";
    const Layout plain = Layout::Plain, blocked = Layout::Blocked;
    switch (op_) {
      case Op::Conv2d:
        workspaceBytes = conv_.workspaceBytes(WinogradPass::Forward);
        inputLayouts = {blocked, plain};
        if (request.inputs.size() == 3) inputLayouts.push_back(plain);
        outputLayouts = {blocked};
        break;
      case Op::Conv2dInputGrad:
        workspaceBytes = conv_.workspaceBytes(WinogradPass::InputGradient);
        inputLayouts = {blocked, plain};
        if (mask_) inputLayouts.push_back(blocked);
        outputLayouts = {blocked};
        break;
      default:
        workspaceBytes = conv_.workspaceBytes(WinogradPass::WeightGradient);
        inputLayouts = {blocked, blocked};
        outputLayouts = std::vector(request.outputs.size(), plain);
        break;
    }
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
        conv_.inputGradient(first, second, result, third, workspace);
        break;
      default:
        conv_.weightGradient(first, second, result, out.size() == 2 ? as<float>(out[1]) : nullptr,
                             workspace);
        break;
    }
  }

 private:
  WinogradConv conv_;
  Op op_;
  bool relu_, mask_;
};

}  // namespace

WinogradFit winogradFit(const KernelRequest& request) {
  const ConvTensors tensors = convTensors(request);
  const Shape& w = tensors.w.shape;
  if (!isOne(request.pair("stride")) || !isOne(request.pair("dilation")) ||
      request.node.spec.attrs.integer("groups") != 1 || w[2] != w[3] || !fitsInt(tensors.x.shape) ||
      !fitsInt(tensors.y.shape) || !WinogradConv::supported(winogradShape(request))) {
    return WinogradFit::No;
  }
  return WinogradConv::profitable(winogradShape(request)) ? WinogradFit::Promising
                                                          : WinogradFit::Possible;
}

std::unique_ptr<Kernel> makeWinogradConvolution(const KernelRequest& request) {
  return std::make_unique<WinogradKernel>(request);
}

}  // namespace neuronode
