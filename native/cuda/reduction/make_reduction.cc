// Adapts the sums over axes to the backend's Kernel.
//
// Policy: they read whatever storage comes, in plain order or channels-last, and write f32. Where
// channels and pixels are both kept the sums are channels-last as well.
#include "kernel_request.h"
#include "reduction/sums.h"
#include "walk_options.h"

namespace neuronode::cuda {

std::unique_ptr<Kernel> makeReduction(const KernelRequest& request) {
  const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
  const LayoutInfo info = request.walkable(request.inputs[0]);
  const bool isLast = info.order == Order::ChannelsLast && y[1] > 1 && y[2] * y[3] > 1;
  const SumNest nest = makeSumNest(memoryAxes(x, info.order), memoryAxes(y, info.order));
  const double divisor = sumDivisor(request.node.spec.attrs, x, y);
  const auto partials = static_cast<size_t>(sumSlices(nest) * nest.kept.count());
  return std::make_unique<FunctionKernel>(
      "sum", std::vector{request.layout(info)},
      std::vector{isLast ? request.channelsLast(Storage::F32) : Layout::Plain},
      [nest, divisor, storage = info.storage, stream = request.context.compute()](auto in, auto out,
                                                                                  void* workspace) {
        sumOver(stream, {in[0], storage}, {out[0], Storage::F32}, as<double>(workspace), nest,
                divisor);
      },
      partials * sizeof(double));
}

}  // namespace neuronode::cuda
