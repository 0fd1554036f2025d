// Adapts the optimizer kernels to the backend's Kernel.
#include "cpu/kernels.h"
#include "cpu/optimizer/optimizer.h"
#include "optimizer_options.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;
constexpr Layout kPlain = Layout::Plain;

int32_t stepNumber(const void* step) {
  const int32_t number = *static_cast<const int32_t*>(step);
  if (number < 1) {
    throw Error(errc::kArgument, "step must be at least 1, got " + std::to_string(number));
  }
  return number;
}

}  // namespace

std::unique_ptr<Kernel> makeOptimizerStep(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  // Gradient and state lie as the parameter does, wherever that is already placed.
  Layout layout = request.inputs[0].layout;
  if (layout == Layout::Undecided) layout = Layout::Plain;
  TensorDesc placed = request.inputs[0];
  placed.layout = layout;
  const auto count = static_cast<int64_t>(request.backend.bytes(placed) / sizeof(float));
  if (request.node.spec.op == Op::AdamStep) {
    return std::make_unique<FunctionKernel>(
        "adamStep", std::vector{layout, layout, layout, layout, kPlain, kPlain},
        std::vector<Layout>{}, [options = adamOptions(attrs), count](Pointers in, Pointers, void*) {
          optimizerKernels().adamStep(as<float>(in[0]), as<const float>(in[1]), as<float>(in[2]),
                                      as<float>(in[3]), count, stepNumber(in[4]),
                                      *as<const double>(in[5]), options);
        });
  }
  const SgdOptions options = sgdOptions(attrs);
  const bool hasBuffer = request.inputs.size() == 5;
  if (hasBuffer != (options.momentum != 0)) {
    throw Error(errc::kArgument, "sgdStep takes a momentum buffer exactly if momentum is not 0");
  }
  std::vector<Layout> layouts(request.inputs.size(), layout);
  layouts[layouts.size() - 2] = layouts.back() = kPlain;
  return std::make_unique<FunctionKernel>(
      "sgdStep", std::move(layouts), std::vector<Layout>{},
      [options, count, hasBuffer](Pointers in, Pointers, void*) {
        optimizerKernels().sgdStep(
            as<float>(in[0]), as<const float>(in[1]), hasBuffer ? as<float>(in[2]) : nullptr, count,
            stepNumber(in[in.size() - 2]), *as<const double>(in.back()), options);
      });
}

}  // namespace neuronode
