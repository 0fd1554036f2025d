// Adapts the kernels that work element by element to the backend's Kernel.
//
// Policy: they compute in whatever layout comes, padding included, and ask for all their tensors in
// the same one.
#include "kernel_request.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

using Unary = void (*)(cudaStream_t, Floats, Floats, int64_t);
using Binary = void (*)(cudaStream_t, Floats, Floats, Floats, int64_t);

}  // namespace

std::unique_ptr<Kernel> makePointwise(const KernelRequest& request) {
  const Op op = request.op();
  // Gradients follow the activation that they belong to; the rest its first input.
  const bool gradient = op == Op::ReluGrad || op == Op::SigmoidGrad;
  const Layout layout = decided(request.inputs[gradient ? 1 : 0].layout);
  const Storage storage = request.info(layout).storage;
  const int64_t count = request.map(layout, request.inputs[0].shape).physicalCount;
  const auto make = [&](FunctionKernel::Body body) {
    return std::make_unique<FunctionKernel>(opName(op),
                                            std::vector<Layout>(request.inputs.size(), layout),
                                            std::vector{layout}, std::move(body));
  };
  const auto stream = request.context.compute();
  if (op == Op::Relu || op == Op::Sigmoid) {
    const Unary unary = op == Op::Relu ? relu : sigmoid;
    return make([unary, storage, count, stream](Pointers in, Pointers out, void*) {
      unary(stream, {in[0], storage}, {out[0], storage}, count);
    });
  }
  const Binary binary = op == Op::ReluGrad ? reluGrad : op == Op::SigmoidGrad ? sigmoidGrad : add;
  return make([binary, storage, count, stream](Pointers in, Pointers out, void*) {
    binary(stream, {in[0], storage}, {in[1], storage}, {out[0], storage}, count);
  });
}

}  // namespace neuronode::cuda
