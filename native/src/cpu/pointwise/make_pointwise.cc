// Adapts the kernels that work element by element to the backend's Kernel.
#include "cpu/channels.h"
#include "cpu/kernels.h"
#include "cpu/pointwise/pointwise.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;

}  // namespace

std::unique_ptr<Kernel> makePointwise(const KernelRequest& request) {
  const PointwiseKernels& kernels = pointwiseKernels();
  const Op op = request.node.spec.op;
  // Gradients follow the activation that they belong to; the rest its first input.
  const bool gradient = op == Op::ReluGrad || op == Op::SigmoidGrad;
  const Layout layout = planeLayout(request.inputs[gradient ? 1 : 0]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[0], layout);
  const int64_t count = plane.elements();
  const auto make = [&](FunctionKernel::Body body) {
    return std::make_unique<FunctionKernel>(opName(op),
                                            std::vector<Layout>(request.inputs.size(), layout),
                                            std::vector{layout}, std::move(body));
  };
  switch (op) {
    case Op::Relu:
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.relu(as<const float>(in[0]), as<float>(out[0]), count);
      });
    case Op::ReluGrad:
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.reluGrad(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), count);
      });
    case Op::Sigmoid:
      return make([&kernels, count, plane](Pointers in, Pointers out, void*) {
        kernels.sigmoid(as<const float>(in[0]), as<float>(out[0]), count);
        channelKernels().zeroPaddingLanes(as<float>(out[0]), plane);
      });
    case Op::SigmoidGrad:
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.sigmoidGrad(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]),
                            count);
      });
    default:  // Add
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.add(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), count);
      });
  }
}

}  // namespace neuronode
