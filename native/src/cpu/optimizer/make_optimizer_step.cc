// Adapts the optimizer kernels to the backend's Kernel.
#include "cpu/kernels.h"
#include "cpu/optimizer/optimizer.h"
#include "optimizers.h"

namespace neuronode {

namespace {

int32_t stepNumber(const void* step) {
  const int32_t number = *static_cast<const int32_t*>(step);
  if (number < 1) {
    throw Error(errc::kArgument, "step must be at least 1, got " + std::to_string(number));
  }
  return number;
}

}  // namespace

std::unique_ptr<Kernel> makeOptimizerStep(const KernelRequest& request) {
  using Pointers = FunctionKernel::Pointers;
  // Gradient and state lie as the parameter does, wherever that is already placed.
  TensorDesc placed = request.inputs[0];
  if (placed.layout == Layout::Undecided) placed.layout = Layout::Plain;
  const auto count = static_cast<int64_t>(request.backend.bytes(placed) / sizeof(float));
  const NodeSpec& node = request.node.spec;
  const auto states = static_cast<size_t>(stateCount(node));
  std::vector<Layout> layouts(2 + states, placed.layout);
  layouts.insert(layouts.end(), 2, Layout::Plain);
  return withOptimizer(node, [&](const auto& options) -> std::unique_ptr<Kernel> {
    return std::make_unique<FunctionKernel>(
        opName(node.op), std::move(layouts), std::vector<Layout>{},
        [options, count, states](Pointers in, Pointers, void*) {
          OptimizerUpdate update{.param = as<float>(in[0]),
                                 .grad = as<const float>(in[1]),
                                 .states = {},
                                 .count = count,
                                 .step = stepNumber(in[2 + states]),
                                 .lr = *as<const double>(in[3 + states])};
          for (size_t i = 0; i < states; ++i) update.states[i] = as<float>(in[2 + i]);
          optimizerKernels().run(update, options);
        });
  });
}

}  // namespace neuronode
