// Adapts the losses to the backend's Kernel.
//
// Policy: logits are read as f32 rows wherever someone can write them so; the gradient is written
// as its reader wants it stored, in rows of the same pitch. All else of the losses is plain.
#include "kernel_request.h"
#include "loss/element_loss.h"
#include "loss/loss.h"
#include "loss_options.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

// The matrix as it lies, where its rows are in the plain order.
LayoutInfo rowsOf(const KernelRequest& request, const TensorDesc& desc) {
  const LayoutInfo& info = request.info(desc.layout);
  return info.order == Order::Plain ? info : LayoutInfo{};
}

std::unique_ptr<Kernel> makeClassLoss(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  const LayoutInfo logits = rowsOf(request, request.inputs[0]);
  ClassLoss options{};
  options.rows = request.inputs[0].shape[0];
  options.columns = request.inputs[0].shape[1];
  options.pitch = pitchOf(logits, options.columns);
  options.reduction = reductionOf(attrs);
  options.ignoreIndex = attrs.integer("ignoreIndex");
  options.areLogs = request.op() == Op::NllLoss;
  if (!options.areLogs) options.labelSmoothing = attrs.number("labelSmoothing");
  options.logits.storage = logits.storage;
  std::vector<Layout> in(request.inputs.size(), Layout::Plain);
  in[0] = request.layout(logits);
  std::vector<Layout> out{Layout::Plain, Layout::Plain};
  if (request.outputs.size() == 3) {
    options.gradient.storage = request.info(request.outputs[2].layout).storage;
    out.push_back(request.layout(logits.as(options.gradient.storage)));
  }
  const bool areProbabilities = request.inputs[1].dtype == DType::F32;
  const auto rows = static_cast<size_t>(options.rows);
  return std::make_unique<FunctionKernel>(
      opName(request.op()), std::move(in), std::move(out),
      [options, areProbabilities, stream = request.context.compute()](Pointers in, Pointers out,
                                                                      void* workspace) {
        ClassLoss args = options;
        args.logits.at = in[0];
        if (areProbabilities) {
          args.targets = as<const float>(in[1]);
        } else {
          args.labels = as<const int32_t>(in[1]);
        }
        args.count = as<const int32_t>(in[2]);
        args.weights = floatsAt(in, 3);
        args.loss = as<float>(out[0]);
        args.correct = as<int32_t>(out[1]);
        if (out.size() > 2) args.gradient.at = out[2];
        args.rowLoss = as<double>(workspace);
        args.rowCorrect = reinterpret_cast<int32_t*>(args.rowLoss + args.rows + 1);
        classLoss(stream, args);
      },
      (rows + 1) * sizeof(double) + rows * sizeof(int32_t));
}

using Launch = void (*)(cudaStream_t stream, const ElementLoss& args);

std::unique_ptr<Kernel> makeElementLoss(const KernelRequest& request, Launch launch) {
  ElementLoss options{};
  readElementLoss(request.node.spec, request.inputs, options);
  return std::make_unique<FunctionKernel>(
      opName(request.op()), std::vector(request.inputs.size(), Layout::Plain),
      std::vector(request.outputs.size(), Layout::Plain),
      [options, launch, stream = request.context.compute()](Pointers in, Pointers out,
                                                            void* workspace) {
        ElementLoss args = options;
        args.x = as<const float>(in[0]);
        args.target = as<const float>(in[1]);
        args.count = as<const int32_t>(in[2]);
        args.weights.at = floatsAt(in, 3);
        args.parameters.at = floatsAt(in, 4);
        args.loss = as<float>(out[0]);
        args.gradient = floatsAt(out, 1);
        args.sums = as<double>(workspace);
        launch(stream, args);
      },
      static_cast<size_t>(lossPieces(elementCount(request.inputs[0].shape))) * sizeof(double));
}

}  // namespace

std::unique_ptr<Kernel> makeLoss(const KernelRequest& request) {
  switch (request.op()) {
#define NN_LOSS_ROW(Formula, name) \
  case Op::Formula:                \
    return makeElementLoss(request, name);
    NN_ELEMENT_LOSSES(NN_LOSS_ROW)
#undef NN_LOSS_ROW
    default:
      return makeClassLoss(request);
  }
}

Layout preferredByLoss(const KernelRequest& request, size_t input) {
  const Op op = request.op();
  const bool isRows = op == Op::SoftmaxCrossEntropy || op == Op::NllLoss;
  if (!isRows) return Layout::Plain;
  if (input != 0) return Layout::Undecided;
  return request.rows(request.inputs[0].shape[1], Storage::F32);
}

}  // namespace neuronode::cuda
