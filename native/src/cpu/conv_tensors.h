// The three tensors of a convolution, whichever of them is the output.
#pragma once

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

}  // namespace neuronode
