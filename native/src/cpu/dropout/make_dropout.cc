// Adapts the dropout kernel to the backend's Kernel.
#include "cpu/dropout/dropout.h"
#include "cpu/kernels.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;
constexpr Layout kPlain = Layout::Plain;

DropoutMask dropoutMask(const Attrs& attrs) {
  const std::vector<double>& seed = attrs.list("seed", 2);
  const auto word = [](double value) {
    return static_cast<uint64_t>(static_cast<uint32_t>(value));
  };
  return {.p = attrs.number("p"),
          .seed = word(seed[0]) | word(seed[1]) << 32,
          .step = 0,
          .stream = static_cast<uint32_t>(attrs.integer("stream"))};
}

}  // namespace

std::unique_ptr<Kernel> makeDropout(const KernelRequest& request) {
  const Layout layout = planeLayout(request.inputs[0]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[0], layout);
  return std::make_unique<FunctionKernel>(
      "dropout", std::vector{layout, kPlain}, std::vector{layout},
      [plane, mask = dropoutMask(request.node.spec.attrs)](Pointers in, Pointers out, void*) {
        DropoutMask now = mask;
        now.step = static_cast<uint32_t>(*as<const int32_t>(in[1]));
        dropoutKernels().apply(as<const float>(in[0]), as<float>(out[0]), plane, now);
      });
}

}  // namespace neuronode
