// Adapts the kernels that work element by element to the backend's Kernel.
//
// Policy: they compute in whatever layout comes, padding included, and ask for all their tensors in
// the same one.
#include "error.h"
#include "kernel_request.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

// Operands of different shapes: both lie in the order of the one that has the output's shape.
std::unique_ptr<Kernel> makeRepeated(const KernelRequest& request) {
  const Shape& shape = request.outputs[0].shape;
  LayoutInfo info;
  for (const TensorDesc& operand : request.inputs) {
    if (operand.shape == shape) info = request.walkable(operand);
  }
  const Axes axes = memoryAxes(shape, info.order);
  std::vector<Layout> layouts;
  std::vector<Storage> storages;
  std::vector<Axes> strides;
  for (const TensorDesc& operand : request.inputs) {
    // What moves nothing is left in the plain order.
    const bool isFull = operand.shape == shape;
    const Storage storage = request.info(operand.layout).storage;
    const bool isSmall = memoryAxes(operand.shape, info.order) == operand.shape;
    const LayoutInfo own{.order = isSmall && !isFull ? Order::Plain : info.order,
                         .storage = storage};
    layouts.push_back(request.layout(own));
    storages.push_back(storage);
    strides.push_back(repeatedStrides(memoryAxes(operand.shape, info.order)));
  }
  const auto nest = makeNest<3>(axes, {rowStrides(axes), strides[0], strides[1]});
  const auto make = [&](auto kernel) {
    return std::make_unique<FunctionKernel>(
        opName(request.op()), layouts, std::vector{request.layout(info)},
        [kernel, nest, storages, storage = info.storage, stream = request.context.compute()](
            Pointers in, Pointers out, void*) {
          kernel(stream, {in[0], storages[0]}, {in[1], storages[1]}, {out[0], storage}, nest);
        });
  };
  switch (request.op()) {
#define NN_ARITHMETIC_ROW(Formula, name) \
  case Op::Formula:                      \
    return make(name##Nest);
    NN_ARITHMETIC(NN_ARITHMETIC_ROW)
#undef NN_ARITHMETIC_ROW
    default:
      throw Error(errc::kArgument, std::string("cuda: no kernel for ") + opName(request.op()));
  }
}

// An addition and the ReLU, or the ReLU's gradient, that follows it. Gradients follow the mask.
std::unique_ptr<Kernel> makeFusedAdd(const KernelRequest& request) {
  const FusedNode& node = request.node;
  const TensorDesc& model = request.inputs[node.reluMask ? 2 : 0];
  const Layout layout = decided(model.layout);
  const Storage storage = request.info(layout).storage;
  const int64_t count = request.map(layout, model.shape).physicalCount;
  return std::make_unique<FunctionKernel>(
      fusedName(opName(request.op()), node), std::vector<Layout>(request.inputs.size(), layout),
      std::vector{layout},
      [storage, count, rectifier = rectifierOf(node), isMasked = node.reluMask,
       stream = request.context.compute()](Pointers in, Pointers out, void*) {
        const Floats a{in[0], storage}, b{in[1], storage}, y{out[0], storage};
        if (isMasked) {
          addMasked(stream, a, b, {in[2], storage}, y, count, rectifier);
        } else {
          addRectified(stream, a, b, y, count, rectifier);
        }
      });
}

}  // namespace

std::unique_ptr<Kernel> makePointwise(const KernelRequest& request) {
  if (request.node.relu || request.node.reluMask) return makeFusedAdd(request);
  const Op op = request.op();
  if (request.inputs.back().shape != request.inputs[0].shape) return makeRepeated(request);
  // Gradients follow the activation that they belong to; the rest its first input.
  const Layout layout = decided(request.inputs[isActivationGrad(op) ? 1 : 0].layout);
  const Storage storage = request.info(layout).storage;
  const int64_t count = request.map(layout, request.inputs[0].shape).physicalCount;
  const auto make = [&](FunctionKernel::Body body) {
    return std::make_unique<FunctionKernel>(opName(op),
                                            std::vector<Layout>(request.inputs.size(), layout),
                                            std::vector{layout}, std::move(body));
  };
  const auto stream = request.context.compute();
  const auto parameterOf = [&](const char* attribute) {
    return *attribute == 0 ? 0.0f : static_cast<float>(request.node.spec.attrs.number(attribute));
  };
  switch (op) {
#define NN_ACTIVATION_ROW(Formula, name, reads, attribute)                                         \
  case Op::Formula:                                                                                \
    return make([storage, count, stream, parameter = parameterOf(attribute)](                      \
                    Pointers in, Pointers out, void*) {                                            \
      name(stream, {in[0], storage}, {out[0], storage}, count, parameter);                         \
    });                                                                                            \
  case Op::Formula##Grad:                                                                          \
    return make([storage, count, stream, parameter = parameterOf(attribute)](                      \
                    Pointers in, Pointers out, void*) {                                            \
      name##Grad(stream, {in[0], storage}, {in[1], storage}, {out[0], storage}, count, parameter); \
    });
#define NN_ARITHMETIC_ROW(Formula, name)                                          \
  case Op::Formula:                                                               \
    return make([storage, count, stream](Pointers in, Pointers out, void*) {      \
      name(stream, {in[0], storage}, {in[1], storage}, {out[0], storage}, count); \
    });
    NN_ACTIVATIONS(NN_ACTIVATION_ROW)
    NN_ARITHMETIC(NN_ARITHMETIC_ROW)
    default:
      throw Error(errc::kArgument, std::string("cuda: no kernel for ") + opName(op));
  }
}

}  // namespace neuronode::cuda
