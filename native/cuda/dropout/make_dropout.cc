// Adapts the dropout kernel to the backend's Kernel.
//
// Policy: it computes in whatever layout comes; its mask goes by the plain order.
#include "dropout/dropout.h"
#include "kernel_request.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

}  // namespace

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

}  // namespace neuronode::cuda
