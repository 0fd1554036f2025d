// The three tensors of a convolution, whichever of them is the output; and the same convolution of
// fewer images.
#pragma once

#include <algorithm>
#include <vector>

#include "cpu/convolution/conv_shape.h"
#include "cpu/kernels.h"

namespace neuronode {

// A layer that reads fewer channels than this keeps its input plain: a block would be mostly
// padding.
inline constexpr int64_t kFewChannels = 4;

struct ConvTensors {
  const TensorDesc& x;
  const TensorDesc& w;
  const TensorDesc& y;
};

inline ConvTensors convTensors(const KernelRequest& request) {
  switch (request.node.spec.op) {
    case Op::Conv2d:
      return {request.inputs[0], request.inputs[1], request.outputs[0]};
    case Op::Conv2dInputGrad:
      return {request.outputs[0], request.inputs[1], request.inputs[0]};
    default:
      return {request.inputs[0], request.outputs[0], request.inputs[1]};
  }
}

inline ConvShape convShape(const KernelRequest& request) {
  const ConvTensors tensors = convTensors(request);
  const Shape &x = tensors.x.shape, &w = tensors.w.shape, &y = tensors.y.shape;
  const Attrs::Pair stride = request.pair("stride"), padding = request.pair("padding");
  const Attrs::Pair dilation = request.pair("dilation");
  ConvShape shape{};
  shape.n = x[0], shape.c = x[1], shape.h = x[2], shape.w = x[3], shape.k = w[0];
  shape.kernelH = w[2], shape.kernelW = w[3], shape.outH = y[2], shape.outW = y[3];
  shape.strideH = stride.h, shape.strideW = stride.w;
  shape.padH = padding.h, shape.padW = padding.w;
  shape.dilationH = dilation.h, shape.dilationW = dilation.w;
  shape.groups = request.node.spec.attrs.integer("groups");
  return shape;
}

// A request for at most `images` images. Refers to the node and the options of the one it came
// from.
class FewerImages {
 public:
  FewerImages(const KernelRequest& request, int64_t images)
      : inputs_(request.inputs.begin(), request.inputs.end()),
        outputs_(request.outputs.begin(), request.outputs.end()),
        request_{request.backend, request.node, inputs_, outputs_, request.options} {
    const auto shrink = [images](TensorDesc& activation) {
      activation.shape[0] = std::min(activation.shape[0], images);
    };
    const Op op = request.node.spec.op;
    shrink(inputs_[0]);
    if (op == Op::Conv2dWeightGrad) shrink(inputs_[1]);
    if (op == Op::Conv2dInputGrad && inputs_.size() == 3) shrink(inputs_[2]);
    if (op != Op::Conv2dWeightGrad) shrink(outputs_[0]);
  }
  FewerImages(const FewerImages&) = delete;
  FewerImages& operator=(const FewerImages&) = delete;

  const KernelRequest& request() const { return request_; }

 private:
  std::vector<TensorDesc> inputs_, outputs_;
  KernelRequest request_;
};

}  // namespace neuronode
