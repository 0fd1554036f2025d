// Adapts the sums over axes to the backend's Kernel.
//
// Policy: the sums of a blocked tensor are blocked where its channels are kept, and plain
// otherwise.
#include "cpu/kernels.h"
#include "cpu/reduction/sums.h"
#include "walk_options.h"

namespace neuronode {

std::unique_ptr<Kernel> makeReduction(const KernelRequest& request) {
  const SumKernels& kernels = sumKernels();
  const Shape &x = request.inputs[0].shape, &y = request.outputs[0].shape;
  const Layout layout = planeLayout(request.inputs[0]);
  const bool isBlocked = layout == Layout::Blocked && x[1] == y[1];
  const Axes axes = memoryAxes(request.backend, x, layout);
  Axes sums = memoryAxes(request.backend, y, isBlocked ? Layout::Blocked : Layout::Plain);
  sums.resize(axes.size(), 1);
  const SumNest nest = makeSumNest(axes, sums);
  const double divisor = sumDivisor(request.node.spec.attrs, x, y);
  const auto partials = static_cast<size_t>(sumSlices(nest) * nest.kept.count());
  return std::make_unique<FunctionKernel>(
      "sum", std::vector{layout}, std::vector{isBlocked ? Layout::Blocked : Layout::Plain},
      [&kernels, nest, divisor](auto in, auto out, void* workspace) {
        kernels.sum(as<const float>(in[0]), as<float>(out[0]), as<double>(workspace), nest,
                    divisor);
      },
      partials * sizeof(double));
}

}  // namespace neuronode
