// Adapts the normalisations to the backend's Kernel.
#include <omp.h>

#include "cpu/kernels.h"
#include "cpu/normalisation/local_response_norm.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;

std::unique_ptr<Kernel> makeLocalResponseNorm(const KernelRequest& request, bool gradient) {
  const Layout layout = planeLayout(request.inputs[gradient ? 1 : 0]);
  const Attrs& attrs = request.node.spec.attrs;
  const LocalResponseNorm norm{
      planeShape(request.backend, request.inputs[0], layout),
      {attrs.integer("size"), attrs.number("alpha"), attrs.number("beta"), attrs.number("k")},
      omp_get_max_threads()};
  const size_t workspace =
      static_cast<size_t>(localResponseNormScratch(norm, gradient)) * sizeof(float);
  return std::make_unique<FunctionKernel>(
      opName(request.node.spec.op), std::vector<Layout>(request.inputs.size(), layout),
      std::vector{layout},
      [&kernels = localResponseNormKernels(), norm, gradient](Pointers in, Pointers out,
                                                              void* workspace) {
        auto* scratch = as<float>(workspace);
        if (gradient) {
          kernels.backward(norm, as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]),
                           scratch);
        } else {
          kernels.forward(norm, as<const float>(in[0]), as<float>(out[0]), scratch);
        }
      },
      workspace);
}

}  // namespace

std::unique_ptr<Kernel> makeNormalisation(const KernelRequest& request) {
  const Op op = request.node.spec.op;
  switch (op) {
    case Op::LocalResponseNorm:
    case Op::LocalResponseNormGrad:
      return makeLocalResponseNorm(request, op == Op::LocalResponseNormGrad);
    case Op::GroupNorm:
    case Op::GroupNormGrad:
      return makeGroupNorm(request);
    default:
      return makeBatchNorm(request);
  }
}

}  // namespace neuronode
