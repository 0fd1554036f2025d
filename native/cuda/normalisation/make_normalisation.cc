// Adapts the normalisations to the backend's Kernel.
#include "kernel_request.h"
#include "normalisation/local_response_norm.h"
#include "normalisation/make_batch_norm.h"
#include "normalisation/make_group_norm.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

// Images are computed channels-last, tensors of other ranks as they lie in PyTorch.
Layout responseLayout(const KernelRequest& request) {
  const Storage storage = request.storage();
  return request.inputs[0].shape.size() == 4 ? request.channelsLast(storage)
                                             : request.plain(storage);
}

std::unique_ptr<Kernel> makeLocalResponseNorm(const KernelRequest& request, bool gradient) {
  const Layout layout = responseLayout(request);
  const Shape& shape = request.inputs[0].shape;
  const Attrs& attrs = request.node.spec.attrs;
  const int64_t count = elementCount(shape);
  const ResponseShape response{
      count,
      shape[1],
      shape.size() == 4 ? 1 : count / (shape[0] * shape[1]),
      {attrs.integer("size"), attrs.number("alpha"), attrs.number("beta"), attrs.number("k")}};
  const size_t workspace = gradient ? static_cast<size_t>(count) * sizeof(float) : 0;
  return std::make_unique<FunctionKernel>(
      opName(request.op()), std::vector<Layout>(request.inputs.size(), layout), std::vector{layout},
      [response, gradient, storage = request.storage(), stream = request.context.compute()](
          Pointers in, Pointers out, void* workspace) {
        if (gradient) {
          localResponseNormGrad(stream, response, {in[0], storage}, {in[1], storage},
                                {out[0], storage}, as<float>(workspace));
        } else {
          localResponseNorm(stream, response, {in[0], storage}, {out[0], storage});
        }
      },
      workspace);
}

}  // namespace

std::unique_ptr<Kernel> makeNormalisation(const KernelRequest& request) {
  switch (request.op()) {
    case Op::LocalResponseNorm:
    case Op::LocalResponseNormGrad:
      return makeLocalResponseNorm(request, request.op() == Op::LocalResponseNormGrad);
    case Op::GroupNorm:
    case Op::GroupNormGrad:
      return makeGroupNorm(request);
    default:
      return makeBatchNorm(request);
  }
}

Layout preferredByNormalisation(const KernelRequest& request, size_t input) {
  switch (request.op()) {
    case Op::LocalResponseNorm:
    case Op::LocalResponseNormGrad:
      return responseLayout(request);
    case Op::GroupNorm:
    case Op::GroupNormGrad:
      return preferredByGroupNorm(request, input);
    default:
      return preferredByBatchNorm(request, input);
  }
}

}  // namespace neuronode::cuda
