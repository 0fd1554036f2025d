// Adapts the conversion of bytes to floats to the backend's Kernel.
#include "conversion/to_float.h"
#include "error.h"
#include "kernel_request.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

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

}  // namespace neuronode::cuda
