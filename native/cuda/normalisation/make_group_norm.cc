// Adapts group normalisation to the backend's Kernel.
#include "normalisation/make_group_norm.h"

#include "normalisation/group_norm.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

Layout layoutOf(const KernelRequest& request, const Shape& x) {
  return x.size() == 4 ? request.channelsLast(request.storage()) : request.plain(request.storage());
}

}  // namespace

// x, weight, bias -> y, mean, rstd; gy, x, mean, rstd, weight -> gx, gweight, gbias.
std::unique_ptr<Kernel> makeGroupNorm(const KernelRequest& request) {
  const bool isGradient = request.op() == Op::GroupNormGrad;
  const Shape& x = request.inputs[isGradient ? 1 : 0].shape;
  const Attrs& attrs = request.node.spec.attrs;
  const GroupNormShape shape{x[0], elementCount(x) / (x[0] * x[1]), x[1], attrs.integer("groups"),
                             attrs.number("eps")};
  const Storage storage = request.storage();
  std::vector<Layout> in(request.inputs.size(), Layout::Plain);
  std::vector<Layout> out(request.outputs.size(), Layout::Plain);
  in[0] = out[0] = layoutOf(request, x);
  if (isGradient) in[1] = in[0];
  const auto stream = request.context.compute();
  if (!isGradient) {
    return std::make_unique<FunctionKernel>(
        opName(request.op()), std::move(in), std::move(out),
        [shape, storage, stream](Pointers in, Pointers out, void*) {
          groupNorm(stream, shape, {in[0], storage}, floatsAt(in, 1), floatsAt(in, 2),
                    {out[0], storage}, as<float>(out[1]), as<float>(out[2]));
        });
  }
  return std::make_unique<FunctionKernel>(
      opName(request.op()), std::move(in), std::move(out),
      [shape, storage, stream](Pointers in, Pointers out, void* workspace) {
        groupNormGrad(stream, shape,
                      {{in[0], storage},
                       {in[1], storage},
                       floatsAt(in, 2),
                       floatsAt(in, 3),
                       floatsAt(in, 4),
                       {out[0], storage},
                       floatsAt(out, 1),
                       floatsAt(out, 2),
                       workspace});
      },
      groupNormWorkspace(shape));
}

Layout preferredByGroupNorm(const KernelRequest& request, size_t input) {
  const bool isGradient = request.op() == Op::GroupNormGrad;
  if (input > (isGradient ? 1 : 0)) return Layout::Plain;
  return layoutOf(request, request.inputs[input].shape);
}

}  // namespace neuronode::cuda
