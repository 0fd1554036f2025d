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

}  // namespace

std::unique_ptr<Kernel> makePointwise(const KernelRequest& request) {
  const Op op = request.op();
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
