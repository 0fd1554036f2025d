// Adapts softmax and the loss kernels to the backend's Kernel.
#include "cpu/kernels.h"
#include "cpu/loss/loss.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;
constexpr Layout kPlain = Layout::Plain;

}  // namespace

std::unique_ptr<Kernel> makeLoss(const KernelRequest& request) {
  const int64_t n = request.inputs[0].shape[0], c = request.inputs[0].shape[1];
  if (request.node.spec.op == Op::Softmax) {
    return std::make_unique<FunctionKernel>("softmax", std::vector{kPlain}, std::vector{kPlain},
                                            [n, c](Pointers in, Pointers out, void*) {
                                              lossKernels().softmax(as<const float>(in[0]),
                                                                    as<float>(out[0]), n, c);
                                            });
  }
  const Reduction reduction =
      request.node.spec.attrs.flag("reduction") ? Reduction::Sum : Reduction::Mean;
  const bool wantsGradient = request.outputs.size() == 3;
  return std::make_unique<FunctionKernel>(
      "softmaxCrossEntropy", std::vector(3, kPlain), std::vector(request.outputs.size(), kPlain),
      [n, c, reduction, wantsGradient](Pointers in, Pointers out, void*) {
        const int32_t count = *as<const int32_t>(in[2]);
        if (count < 0 || count > n) {
          throw Error(errc::kArgument, "count must be between 0 and " + std::to_string(n) +
                                           ", got " + std::to_string(count));
        }
        const auto* labels = as<const int32_t>(in[1]);
        const int64_t badRow = lossKernels().softmaxCrossEntropy(
            {.logits = as<const float>(in[0]),
             .labels = labels,
             .validRows = count,
             .n = n,
             .c = c,
             .reduction = reduction,
             .loss = as<float>(out[0]),
             .correct = as<int32_t>(out[1]),
             .grad = wantsGradient ? as<float>(out[2]) : nullptr});
        if (badRow >= 0) {
          throw Error(errc::kArgument, "label " + std::to_string(labels[badRow]) + " in row " +
                                           std::to_string(badRow) + " is outside 0 to " +
                                           std::to_string(c - 1));
        }
      });
}

}  // namespace neuronode
