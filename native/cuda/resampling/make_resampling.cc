// Adapts resampling to the backend's Kernel.
//
// Policy: channels-last, in the storage of activations. The taps lie in device memory that the
// kernel owns, from when it is made.
#include "kernel_request.h"
#include "resampling/device_taps.h"

namespace neuronode::cuda {

std::unique_ptr<Kernel> makeResampling(const KernelRequest& request) {
  using Pointers = FunctionKernel::Pointers;
  const Shape &from = request.inputs[0].shape, &to = request.outputs[0].shape;
  const Storage storage = request.storage();
  const Layout layout = request.channelsLast(storage);
  const auto stream = request.context.compute();
  const bool isGradient = request.op() == Op::InterpolateGrad;
  ResamplingTaps taps =
      resamplingTaps(request.node.spec.attrs, isGradient ? to : from, isGradient ? from : to);
  if (isGradient) taps = {taps.h.transposed(), taps.w.transposed()};
  return std::make_unique<FunctionKernel>(
      opName(request.op()), std::vector{layout}, std::vector{layout},
      [owned = uploadTaps(stream, taps.h, taps.w), n = from[0], c = from[1], storage, stream](
          Pointers in, Pointers out, void*) {
        resample(stream, {n, c, owned.h, owned.w}, {in[0], storage}, {out[0], storage});
      });
}

Layout preferredByResampling(const KernelRequest& request) {
  return request.channelsLast(request.storage());
}

}  // namespace neuronode::cuda
