// Adapts batch normalisation to the backend's Kernel.
#include <algorithm>

#include "cpu/kernels.h"
#include "cpu/normalisation/batch_norm.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;
constexpr Layout kPlain = Layout::Plain;

int64_t realRows(const void* count, int64_t rows) {
  return std::clamp<int64_t>(*static_cast<const int32_t*>(count), 0, rows);
}

// Of the batch: x, count, weight, bias -> y, mean, var. Of given ones: x, mean, var, weight, bias
// -> y. With a residual, it is the last input.
std::unique_ptr<Kernel> makeForward(const KernelRequest& request, Statistics statistics) {
  const FusedNode& node = request.node;
  const Layout layout = planeLayout(request.inputs[0]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[0], layout);
  const bool isBatch = statistics == Statistics::Batch;
  const size_t tensors = request.inputs.size() - (node.residual ? 1 : 0);
  std::vector<Layout> in(request.inputs.size(), kPlain), out(request.outputs.size(), kPlain);
  in[0] = out[0] = layout;
  if (node.residual) in.back() = layout;
  const double eps = node.spec.attrs.number("eps");
  return std::make_unique<FunctionKernel>(
      fusedName(opName(node.spec.op), node), std::move(in), std::move(out),
      [plane, eps, statistics, isBatch, tensors, rectifier = rectifierOf(node)](
          Pointers all, Pointers out, void* workspace) {
        const Pointers in = all.first(tensors);
        const size_t weight = isBatch ? 2 : 3;
        batchNormKernels().forward({
            .shape = plane,
            .eps = eps,
            .statistics = statistics,
            .rectifier = rectifier,
            .rows = isBatch ? realRows(in[1], plane.n) : plane.n,
            .x = as<const float>(in[0]),
            .weight = floatsAt(in, weight),
            .bias = floatsAt(in, weight + 1),
            .residual = floatsAt(all, tensors),
            .y = as<float>(out[0]),
            .mean = as<float>(isBatch ? out[1] : in[1]),
            .var = as<float>(isBatch ? out[2] : in[2]),
            .workspace = as<double>(workspace),
        });
      },
      isBatch ? batchNormWorkspace(plane) : 0);
}

// gy, x, mean, var, count, weight -> gx, gweight, gbias; of given statistics without the count.
// What masks gy is the last input: the rectified output, or the bias of what is computed anew.
std::unique_ptr<Kernel> makeBackward(const KernelRequest& request, Statistics statistics) {
  // The forward pass followed x.
  const Layout layout = planeLayout(request.inputs[1]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[1], layout);
  const bool isBatch = statistics == Statistics::Batch;
  std::vector<Layout> in(request.inputs.size(), kPlain), out(request.outputs.size(), kPlain);
  in[0] = in[1] = out[0] = layout;
  const FusedNode& node = request.node;
  const size_t tensors = request.inputs.size() - (node.reluMask ? 1 : 0);
  if (node.reluMask) in.back() = layout;
  const double eps = node.spec.attrs.number("eps");
  return std::make_unique<FunctionKernel>(
      fusedName(opName(node.spec.op), node), std::move(in), std::move(out),
      [plane, eps, statistics, isBatch, tensors, rectifier = rectifierOf(node)](
          Pointers all, Pointers out, void* workspace) {
        const Pointers in = all.first(tensors);
        batchNormKernels().backward({
            .shape = plane,
            .eps = eps,
            .statistics = statistics,
            .rectifier = rectifier,
            .rows = isBatch ? realRows(in[4], plane.n) : plane.n,
            .gy = as<const float>(in[0]),
            .x = as<const float>(in[1]),
            .y = floatsAt(all, tensors),
            .mean = as<const float>(in[2]),
            .var = as<const float>(in[3]),
            .weight = floatsAt(in, isBatch ? 5 : 4),
            .bias = floatsAt(in, 6),
            .gx = as<float>(out[0]),
            .gweight = floatsAt(out, 1),
            .gbias = floatsAt(out, 2),
            .workspace = as<double>(workspace),
        });
      },
      batchNormWorkspace(plane));
}

// mean, var, count, runningMean, runningVar, numBatches: the last in place.
std::unique_ptr<Kernel> makeUpdate(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  const RunningStatistics settings{request.inputs[0].shape[0], attrs.number("momentum"),
                                   attrs.flag("cumulative")};
  const auto pixels = static_cast<double>(attrs.integer("pixels"));
  return std::make_unique<FunctionKernel>(
      "batchNormUpdate", std::vector<Layout>(request.inputs.size(), kPlain), std::vector<Layout>{},
      [settings, pixels](Pointers in, Pointers, void*) {
        updateRunning(settings, pixels * *as<const int32_t>(in[2]), as<const float>(in[0]),
                      as<const float>(in[1]), as<float>(in[3]), as<float>(in[4]),
                      in.size() == 6 ? as<int32_t>(in[5]) : nullptr);
      });
}

}  // namespace

std::unique_ptr<Kernel> makeBatchNorm(const KernelRequest& request) {
  switch (request.node.spec.op) {
    case Op::BatchNorm:
      return makeForward(request, Statistics::Batch);
    case Op::BatchNormInference:
      return makeForward(request, Statistics::Given);
    case Op::BatchNormGrad:
      return makeBackward(request, Statistics::Batch);
    case Op::BatchNormInferenceGrad:
      return makeBackward(request, Statistics::Given);
    default:
      return makeUpdate(request);
  }
}

}  // namespace neuronode
