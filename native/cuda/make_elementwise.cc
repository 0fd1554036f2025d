// Adapts the element-wise kernels, dropout and the first conversion to the backend's Kernel.
//
// Policy: element-wise kernels compute in whatever layout comes, padding included, and ask for all
// their tensors in the same one; dropout's mask goes by the plain order, whatever the layout.
#include "error.h"
#include "kernel_request.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

Layout decided(Layout layout) { return layout == Layout::Undecided ? Layout::Plain : layout; }

std::unique_ptr<Kernel> makeDropout(const KernelRequest& request) {
  const Layout layout = decided(request.inputs[0].layout);
  const Storage storage = request.info(layout).storage;
  const Attrs& attrs = request.node.spec.attrs;
  const std::vector<double>& seed = attrs.list("seed", 2);
  const DropoutKey key{static_cast<uint32_t>(seed[0]), static_cast<uint32_t>(seed[1]),
                       static_cast<uint32_t>(attrs.integer("stream"))};
  const math::DropoutScalars scalars = math::dropoutScalars(attrs.number("p"));
  return std::make_unique<FunctionKernel>(
      opName(request.op()), std::vector{layout, Layout::Plain}, std::vector{layout},
      [map = request.map(layout, request.inputs[0].shape), storage, key, scalars,
       stream = request.context.compute()](Pointers in, Pointers out, void*) {
        dropout(stream, {in[0], storage}, {out[0], storage}, map, scalars, key,
                as<const int32_t>(in[1]));
      });
}

using Unary = void (*)(cudaStream_t, Floats, Floats, int64_t);
using Binary = void (*)(cudaStream_t, Floats, Floats, Floats, int64_t);

}  // namespace

std::unique_ptr<Kernel> makeToFloat(const KernelRequest& request) {
  const Shape& shape = request.inputs[0].shape;
  const auto channels = static_cast<size_t>(shape[1]);
  if (channels > kMostToFloatChannels) {
    throw Error(errc::kShape, "cuda: toFloat takes at most " +
                                  std::to_string(kMostToFloatChannels) + " channels, got " +
                                  std::to_string(channels));
  }
  ToFloatScalars scalars{};
  scalars.channels = static_cast<int>(channels);
  const Attrs& attrs = request.node.spec.attrs;
  for (size_t c = 0; c < channels; ++c) {
    scalars.mean[c] = static_cast<float>(attrs.list("mean", channels)[c]);
    scalars.std[c] = static_cast<float>(attrs.list("std", channels)[c]);
  }
  const Layout hint = request.outputs[0].layout;
  const Layout layout = hint == Layout::Undecided ? request.channelsLast(request.storage()) : hint;
  return std::make_unique<FunctionKernel>(
      "toFloat", std::vector{Layout::Plain}, std::vector{layout},
      [map = request.map(layout, shape), storage = request.info(layout).storage, scalars,
       pixels = shape[2] * shape[3],
       stream = request.context.compute()](Pointers in, Pointers out, void*) {
        toFloat(stream, as<const uint8_t>(in[0]), {out[0], storage}, map, pixels, scalars);
      });
}

std::unique_ptr<Kernel> makeElementwise(const KernelRequest& request) {
  const Op op = request.op();
  if (op == Op::Dropout || op == Op::DropoutGrad) return makeDropout(request);
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
