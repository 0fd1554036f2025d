// Adapts resampling to the backend's Kernel.
#include <omp.h>

#include "cpu/kernels.h"
#include "cpu/resampling/resampling.h"

namespace neuronode {

std::unique_ptr<Kernel> makeResampling(const KernelRequest& request) {
  using Pointers = FunctionKernel::Pointers;
  const NodeSpec& node = request.node.spec;
  const Shape &from = request.inputs[0].shape, &to = request.outputs[0].shape;
  const Layout layout = planeLayout(request.inputs[0]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[0], layout);
  const bool isGradient = node.op == Op::InterpolateGrad;
  ResamplingTaps taps = resamplingTaps(node.attrs, isGradient ? to : from, isGradient ? from : to);
  if (isGradient) taps = {taps.h.transposed(), taps.w.transposed()};
  Resampling shape{plane.n * plane.groups(), plane.block, std::move(taps.h), std::move(taps.w),
                   omp_get_max_threads()};
  const size_t workspace = static_cast<size_t>(resamplingScratch(shape)) * sizeof(float);
  return std::make_unique<FunctionKernel>(
      opName(node.op), std::vector{layout}, std::vector{layout},
      [shape = std::move(shape), &kernels = resamplingKernels()](Pointers in, Pointers out,
                                                                 void* workspace) {
        kernels.resample(shape, as<const float>(in[0]), as<float>(out[0]), as<float>(workspace));
      },
      workspace);
}

}  // namespace neuronode
