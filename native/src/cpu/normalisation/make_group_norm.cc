// Adapts group normalisation to the backend's Kernel.
#include "cpu/kernels.h"
#include "cpu/normalisation/group_norm.h"

namespace neuronode {

// x, weight, bias -> y, mean, rstd; gy, x, mean, rstd, weight -> gx, gweight, gbias.
std::unique_ptr<Kernel> makeGroupNorm(const KernelRequest& request) {
  using Pointers = FunctionKernel::Pointers;
  const NodeSpec& node = request.node.spec;
  const bool isGradient = node.op == Op::GroupNormGrad;
  const TensorDesc& x = request.inputs[isGradient ? 1 : 0];
  const Layout layout = planeLayout(x);
  const GroupNorm norm{planeShape(request.backend, x, layout), node.attrs.integer("groups"),
                       node.attrs.number("eps")};
  std::vector<Layout> in(request.inputs.size(), Layout::Plain);
  std::vector<Layout> out(request.outputs.size(), Layout::Plain);
  in[0] = out[0] = layout;
  if (isGradient) in[1] = layout;
  FunctionKernel::Body body;
  if (isGradient) {
    body = [norm](Pointers in, Pointers out, void* workspace) {
      groupNormKernels().backward({norm, as<const float>(in[0]), as<const float>(in[1]),
                                   as<const float>(in[2]), as<const float>(in[3]), floatsAt(in, 4),
                                   as<float>(out[0]), floatsAt(out, 1), floatsAt(out, 2),
                                   as<double>(workspace)});
    };
  } else {
    body = [norm](Pointers in, Pointers out, void* workspace) {
      groupNormKernels().forward({norm, as<const float>(in[0]), floatsAt(in, 1), floatsAt(in, 2),
                                  as<float>(out[0]), as<float>(out[1]), as<float>(out[2]),
                                  as<double>(workspace)});
    };
  }
  const auto doubles = static_cast<size_t>(groupNormWorkspace(norm, isGradient));
  return std::make_unique<FunctionKernel>(opName(node.op), std::move(in), std::move(out),
                                          std::move(body), doubles * sizeof(double));
}

}  // namespace neuronode
