// Adapts batch normalisation to the backend's Kernel.
#include "normalisation/make_batch_norm.h"

#include "normalisation/batch_norm.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

BatchNormImages imagesOf(const Shape& shape) {
  return {shape[0], shape[2] * shape[3], shape[1], nullptr};
}

// Of the batch: x, count, weight, bias -> y, mean, var. Of given statistics: x, mean, var, weight,
// bias -> y. A residual is the last input.
std::unique_ptr<Kernel> makeForward(const KernelRequest& request, bool ofBatch) {
  const Storage storage = request.storage();
  std::vector<Layout> in(request.inputs.size(), Layout::Plain);
  std::vector<Layout> out(request.outputs.size(), Layout::Plain);
  in[0] = out[0] = request.channelsLast(storage);
  const BatchNormImages shape = imagesOf(request.inputs[0].shape);
  const FusedNode& node = request.node;
  const size_t tensors = request.inputs.size() - (node.residual ? 1 : 0);
  if (node.residual) in.back() = out[0];
  return std::make_unique<FunctionKernel>(
      fusedName(opName(request.op()), node), std::move(in), std::move(out),
      [shape, ofBatch, storage, tensors, rectifier = rectifierOf(node),
       eps = node.spec.attrs.number("eps"),
       stream = request.context.compute()](Pointers all, Pointers out, void* workspace) {
        const Pointers in = all.first(tensors);
        BatchNormImages images = shape;
        if (ofBatch) {
          images.realRows = as<const int32_t>(in[1]);
          batchMoments(stream, images, {in[0], storage}, as<float>(out[1]), as<float>(out[2]),
                       workspace);
        }
        const size_t weight = ofBatch ? 2 : 3;
        const BatchNormChannels channels{eps, as<const float>(ofBatch ? out[1] : in[1]),
                                         as<const float>(ofBatch ? out[2] : in[2]),
                                         floatsAt(in, weight), floatsAt(in, weight + 1)};
        const BatchNormTail tail{tensors < all.size() ? all[tensors] : nullptr, rectifier};
        batchNormalise(stream, images, channels, tail, {in[0], storage}, {out[0], storage},
                       workspace);
      },
      batchNormWorkspace(shape));
}

// gy, x, mean, var, count, weight -> gx, gweight, gbias; of given statistics without the count.
// The rectified output that masks gy is the last input.
std::unique_ptr<Kernel> makeBackward(const KernelRequest& request, bool ofBatch) {
  const Storage storage = request.storage();
  std::vector<Layout> in(request.inputs.size(), Layout::Plain);
  std::vector<Layout> out(request.outputs.size(), Layout::Plain);
  in[0] = in[1] = out[0] = request.channelsLast(storage);
  const BatchNormImages shape = imagesOf(request.inputs[1].shape);
  const FusedNode& node = request.node;
  const size_t tensors = request.inputs.size() - (node.reluMask ? 1 : 0);
  if (node.reluMask) in.back() = out[0];
  return std::make_unique<FunctionKernel>(
      fusedName(opName(request.op()), node), std::move(in), std::move(out),
      [shape, ofBatch, storage, tensors, rectifier = rectifierOf(node),
       eps = node.spec.attrs.number("eps"),
       stream = request.context.compute()](Pointers all, Pointers out, void* workspace) {
        const Pointers in = all.first(tensors);
        BatchNormImages images = shape;
        if (ofBatch) images.realRows = as<const int32_t>(in[4]);
        const BatchNormChannels channels{eps, as<const float>(in[2]), as<const float>(in[3]),
                                         floatsAt(in, ofBatch ? 5 : 4), nullptr};
        const BatchNormGradient gradient{
            {in[0], storage}, {tensors < all.size() ? all[tensors] : nullptr, storage}, rectifier};
        batchNormGrad(stream, images, channels, ofBatch, gradient, {in[1], storage},
                      {out[0], storage}, floatsAt(out, 1), floatsAt(out, 2), workspace);
      },
      batchNormWorkspace(shape));
}

// mean, var, count, runningMean, runningVar, numBatches: the last ones in place.
std::unique_ptr<Kernel> makeUpdate(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  RunningUpdate settings{};
  settings.channels = request.inputs[0].shape[0];
  settings.pixels = attrs.integer("pixels");
  settings.momentum = attrs.number("momentum");
  settings.cumulative = attrs.flag("cumulative");
  return std::make_unique<FunctionKernel>(
      opName(request.op()), std::vector<Layout>(request.inputs.size(), Layout::Plain),
      std::vector<Layout>{},
      [settings, stream = request.context.compute()](Pointers in, Pointers, void*) {
        RunningUpdate update = settings;
        update.mean = as<const float>(in[0]);
        update.var = as<const float>(in[1]);
        update.realRows = as<const int32_t>(in[2]);
        update.runningMean = as<float>(in[3]);
        update.runningVar = as<float>(in[4]);
        update.batches = in.size() == 6 ? as<int32_t>(in[5]) : nullptr;
        batchNormUpdate(stream, update);
      });
}

}  // namespace

std::unique_ptr<Kernel> makeBatchNorm(const KernelRequest& request) {
  switch (request.op()) {
    case Op::BatchNorm:
      return makeForward(request, true);
    case Op::BatchNormInference:
      return makeForward(request, false);
    case Op::BatchNormGrad:
      return makeBackward(request, true);
    case Op::BatchNormInferenceGrad:
      return makeBackward(request, false);
    default:
      return makeUpdate(request);
  }
}

Layout preferredByBatchNorm(const KernelRequest& request, size_t input) {
  if (request.op() == Op::BatchNormUpdate) return Layout::Plain;
  const bool isGradient =
      request.op() == Op::BatchNormGrad || request.op() == Op::BatchNormInferenceGrad;
  const bool isFused =
      (request.node.residual || request.node.reluMask) && input + 1 == request.inputs.size();
  return isFused || input <= (isGradient ? 1 : 0) ? request.channelsLast(request.storage())
                                                  : Layout::Plain;
}

}  // namespace neuronode::cuda
