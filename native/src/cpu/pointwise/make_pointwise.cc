// Adapts the kernels that work element by element to the backend's Kernel.
#include "cpu/channels.h"
#include "cpu/kernels.h"
#include "cpu/pointwise/pointwise.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;

// Operands of different shapes: what is repeated is read in plain order, or blocked with the rest
// where it has as many channels.
std::unique_ptr<Kernel> makeRepeated(const KernelRequest& request) {
  const PointwiseKernels& kernels = pointwiseKernels();
  const Shape& shape = request.outputs[0].shape;
  Layout layout = Layout::Plain;
  for (const TensorDesc& operand : request.inputs) {
    if (operand.shape == shape) layout = planeLayout(operand);
  }
  const Axes axes = memoryAxes(request.backend, shape, layout);
  std::vector<Layout> layouts;
  std::vector<Axes> strides;
  for (const TensorDesc& operand : request.inputs) {
    Axes own = operand.shape;
    const bool isBlocked = layout == Layout::Blocked && own[1] == shape[1];
    layouts.push_back(isBlocked ? Layout::Blocked : Layout::Plain);
    if (isBlocked) own = memoryAxes(request.backend, operand.shape, Layout::Blocked);
    own.resize(axes.size(), 1);
    strides.push_back(repeatedStrides(own));
  }
  const auto nest = makeNest<3>(axes, {rowStrides(axes), strides[0], strides[1]});
  const PlaneShape plane = planeShape(request.backend, request.outputs[0], layout);
  const auto make = [&](auto kernel) {
    return std::make_unique<FunctionKernel>(
        opName(request.node.spec.op), layouts, std::vector{layout},
        [kernel, nest, plane](Pointers in, Pointers out, void*) {
          kernel(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), nest);
          channelKernels().zeroPaddingLanes(as<float>(out[0]), plane);
        });
  };
  switch (request.node.spec.op) {
#define NN_ARITHMETIC_ROW(Formula, name) \
  case Op::Formula:                      \
    return make(kernels.name##Nest);
    NN_ARITHMETIC(NN_ARITHMETIC_ROW)
#undef NN_ARITHMETIC_ROW
    default:
      throw Error(errc::kArgument, std::string(opName(request.node.spec.op)) + " has no kernel");
  }
}

// An addition and the ReLU, or the ReLU's gradient, that follows it. Gradients follow the mask.
std::unique_ptr<Kernel> makeFusedAdd(const KernelRequest& request) {
  const FusedNode& node = request.node;
  const TensorDesc& model = request.inputs[node.reluMask ? 2 : 0];
  const Layout layout = planeLayout(model);
  const int64_t count = planeShape(request.backend, model, layout).elements();
  return std::make_unique<FunctionKernel>(
      fusedName(opName(node.spec.op), node), std::vector<Layout>(request.inputs.size(), layout),
      std::vector{layout},
      [&kernels = pointwiseKernels(), count, rectifier = rectifierOf(node),
       isMasked = node.reluMask](Pointers in, Pointers out, void*) {
        const auto *a = as<const float>(in[0]), *b = as<const float>(in[1]);
        if (isMasked) {
          kernels.addMasked(a, b, as<const float>(in[2]), as<float>(out[0]), count, rectifier);
        } else {
          kernels.addRectified(a, b, as<float>(out[0]), count, rectifier);
        }
      });
}

}  // namespace

std::unique_ptr<Kernel> makePointwise(const KernelRequest& request) {
  if (request.node.relu || request.node.reluMask) return makeFusedAdd(request);
  const PointwiseKernels& kernels = pointwiseKernels();
  const Op op = request.node.spec.op;
  if (request.inputs.back().shape != request.inputs[0].shape) return makeRepeated(request);
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
  case Op::Formula##Grad: {                                                                        \
    const float parameter = parameterOf(attribute);                                                \
    const bool keepsZero =                                                                         \
        math::activation<math::Formula>(parameter).gradient(0.0f, 0.0f) == 0.0f;                   \
    return make([&kernels, count, plane, parameter, keepsZero](Pointers in, Pointers out, void*) { \
      kernels.name##Grad(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), count, \
                         parameter);                                                               \
      if (!keepsZero) channelKernels().zeroPaddingLanes(as<float>(out[0]), plane);                 \
    });                                                                                            \
  }
#define NN_ARITHMETIC_ROW(Formula, name)                                                      \
  case Op::Formula: {                                                                         \
    const bool keepsZero = math::Formula{}.value(0.0f, 0.0f) == 0.0f;                         \
    return make([&kernels, count, plane, keepsZero](Pointers in, Pointers out, void*) {       \
      kernels.name(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), count); \
      if (!keepsZero) channelKernels().zeroPaddingLanes(as<float>(out[0]), plane);            \
    });                                                                                       \
  }
    NN_ACTIVATIONS(NN_ACTIVATION_ROW)
    NN_ARITHMETIC(NN_ARITHMETIC_ROW)
    default:
      throw Error(errc::kArgument, std::string(opName(op)) + " has no kernel");
  }
}

}  // namespace neuronode
