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
  const Layout layout = planeLayout(request.inputs[isActivationGrad(op) ? 1 : 0]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[0], layout);
  const int64_t count = plane.elements();
  const auto make = [&](FunctionKernel::Body body) {
    return std::make_unique<FunctionKernel>(opName(op),
                                            std::vector<Layout>(request.inputs.size(), layout),
                                            std::vector{layout}, std::move(body));
  };
  const auto parameterOf = [&](const char* attribute) {
    return *attribute == 0 ? 0.0f : static_cast<float>(request.node.spec.attrs.number(attribute));
  };
  switch (op) {
#define NN_ACTIVATION_ROW(Formula, name, reads, attribute)                                         \
  case Op::Formula: {                                                                              \
    const float parameter = parameterOf(attribute);                                                \
    const bool keepsZero = math::activation<math::Formula>(parameter).value(0.0f) == 0.0f;         \
    return make([&kernels, count, plane, parameter, keepsZero](Pointers in, Pointers out, void*) { \
      kernels.name(as<const float>(in[0]), as<float>(out[0]), count, parameter);                   \
      if (!keepsZero) channelKernels().zeroPaddingLanes(as<float>(out[0]), plane);                 \
    });                                                                                            \
  }                                                                                                \
  case Op::Formula##Grad:                                                                          \
    return make(                                                                                   \
        [&kernels, count, parameter = parameterOf(attribute)](Pointers in, Pointers out, void*) {  \
          kernels.name##Grad(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]),    \
                             count, parameter);                                                    \
        });
#define NN_ARITHMETIC_ROW(Formula, name)                                                      \
  case Op::Formula:                                                                           \
    return make([&kernels, count](Pointers in, Pointers out, void*) {                         \
      kernels.name(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), count); \
    });
    NN_ACTIVATIONS(NN_ACTIVATION_ROW)
    NN_ARITHMETIC(NN_ARITHMETIC_ROW)
    default:
      throw Error(errc::kArgument, std::string(opName(op)) + " has no kernel");
  }
}

}  // namespace neuronode
