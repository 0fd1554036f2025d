// Adapts the loss kernels to the backend's Kernel.
#include "cpu/kernels.h"
#include "cpu/loss/element_loss.h"
#include "cpu/loss/loss.h"
#include "loss_options.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;
constexpr Layout kPlain = Layout::Plain;

std::unique_ptr<Kernel> makePlain(const KernelRequest& request, FunctionKernel::Body body) {
  return std::make_unique<FunctionKernel>(
      opName(request.node.spec.op), std::vector(request.inputs.size(), kPlain),
      std::vector(request.outputs.size(), kPlain), std::move(body));
}

int64_t realRows(const void* count, int64_t rows) {
  const int32_t real = *static_cast<const int32_t*>(count);
  if (real >= 0 && real <= rows) return real;
  throw Error(errc::kArgument, "count must be between 0 and " + std::to_string(rows) + ", got " +
                                   std::to_string(real));
}

std::unique_ptr<Kernel> makeClassLoss(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  ClassLossArgs options{};
  options.n = request.inputs[0].shape[0];
  options.c = request.inputs[0].shape[1];
  options.reduction = reductionOf(attrs);
  options.ignoreIndex = attrs.integer("ignoreIndex");
  options.areLogs = request.node.spec.op == Op::NllLoss;
  if (!options.areLogs) options.labelSmoothing = attrs.number("labelSmoothing");
  const bool areProbabilities = request.inputs[1].dtype == DType::F32;
  return makePlain(request, [options, areProbabilities](Pointers in, Pointers out, void*) {
    ClassLossArgs args = options;
    args.logits = as<const float>(in[0]);
    if (areProbabilities) {
      args.targets = as<const float>(in[1]);
    } else {
      args.labels = as<const int32_t>(in[1]);
    }
    args.validRows = realRows(in[2], args.n);
    args.weights = floatsAt(in, 3);
    args.loss = as<float>(out[0]);
    args.correct = as<int32_t>(out[1]);
    args.grad = floatsAt(out, 2);
    const int64_t badRow = lossKernels().classLoss(args);
    if (badRow < 0) return;
    throw Error(errc::kArgument, "label " + std::to_string(args.labels[badRow]) + " in row " +
                                     std::to_string(badRow) + " is outside 0 to " +
                                     std::to_string(args.c - 1));
  });
}

std::unique_ptr<Kernel> makeElementLoss(const KernelRequest& request, ElementLoss formula) {
  ElementLossArgs options{};
  readElementLoss(request.node.spec, request.inputs, options);
  return makePlain(request, [options, formula](Pointers in, Pointers out, void*) {
    ElementLossArgs args = options;
    args.x = as<const float>(in[0]);
    args.target = as<const float>(in[1]);
    args.validRows = realRows(in[2], args.rows);
    args.weights.at = floatsAt(in, 3);
    args.parameters.at = floatsAt(in, 4);
    args.loss = as<float>(out[0]);
    args.grad = floatsAt(out, 1);
    elementLossKernels().loss[static_cast<size_t>(formula)](args);
  });
}

}  // namespace

std::unique_ptr<Kernel> makeLoss(const KernelRequest& request) {
  switch (request.node.spec.op) {
#define NN_LOSS_ROW(Formula, name) \
  case Op::Formula:                \
    return makeElementLoss(request, ElementLoss::Formula);
    NN_ELEMENT_LOSSES(NN_LOSS_ROW)
#undef NN_LOSS_ROW
    default:
      return makeClassLoss(request);
  }
}

}  // namespace neuronode
