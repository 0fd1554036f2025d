// Linear layers, their gradients, and bare matrix products, all by tiledGemm.
//
// Weights stay plain: the GEMM packs them as it goes, for less than a reorder between the layouts
// that forward and gradients would each like best.
#include "cpu/channels.h"
#include "cpu/kernels.h"
#include "cpu/linear/tiled_gemm.h"
#include "cpu/pointwise/pointwise.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;

std::unique_ptr<Kernel> makeKernel(const KernelRequest& request, std::string name,
                                   FunctionKernel::Body body) {
  return std::make_unique<FunctionKernel>(
      std::move(name), std::vector(request.inputs.size(), Layout::Plain),
      std::vector(request.outputs.size(), Layout::Plain), std::move(body));
}

// y [n, out] = x [n, in] * w [out, in]^T + b [out]
std::unique_ptr<Kernel> makeForward(const KernelRequest& request) {
  const Shape &x = request.inputs[0].shape, &w = request.inputs[1].shape;
  const GemmShape shape{false, true, x[0], w[0], x[1]};
  const bool bias = request.inputs.size() == 3, relu = request.node.relu;
  return makeKernel(request, "linear", [shape, bias, relu](Pointers in, Pointers out, void*) {
    auto* y = as<float>(out[0]);
    tiledGemm(shape, 1, as<const float>(in[0]), as<const float>(in[1]), y);
    if (bias) channelKernels().addRow(y, as<const float>(in[2]), shape.m, shape.n);
    if (relu) pointwiseKernels().relu(y, y, shape.m * shape.n, 0);
  });
}

// gx [n, in] = gy [n, out] * w [out, in]
std::unique_ptr<Kernel> makeInputGrad(const KernelRequest& request) {
  const Shape &gy = request.inputs[0].shape, &w = request.inputs[1].shape;
  const GemmShape shape{false, false, gy[0], w[1], gy[1]};
  const bool mask = request.node.reluMask;
  return makeKernel(request, "linear", [shape, mask](Pointers in, Pointers out, void*) {
    auto* gx = as<float>(out[0]);
    tiledGemm(shape, 1, as<const float>(in[0]), as<const float>(in[1]), gx);
    if (mask) {
      pointwiseKernels().reluGrad(gx, as<const float>(in[2]), gx, shape.m * shape.n, 0);
    }
  });
}

// gw [out, in] = gy [n, out]^T * x [n, in], gb [out] = the sum of gy over n
std::unique_ptr<Kernel> makeWeightGrad(const KernelRequest& request) {
  const Shape &x = request.inputs[0].shape, &gy = request.inputs[1].shape;
  const GemmShape shape{true, false, gy[1], x[1], x[0]};
  return makeKernel(request, "linear", [shape](Pointers in, Pointers out, void*) {
    const auto* gradient = as<const float>(in[1]);
    tiledGemm(shape, 1, gradient, as<const float>(in[0]), as<float>(out[0]));
    if (out.size() == 2) {
      channelKernels().channelSum(gradient, as<float>(out[1]), {shape.k, shape.m, 1, 1});
    }
  });
}

}  // namespace

std::unique_ptr<Kernel> makeLinear(const KernelRequest& request) {
  switch (request.node.spec.op) {
    case Op::Linear:
      return makeForward(request);
    case Op::LinearInputGrad:
      return makeInputGrad(request);
    default:
      return makeWeightGrad(request);
  }
}

std::unique_ptr<Kernel> makeGemm(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  const bool transposeA = attrs.flag("transposeA");
  const Shape &a = request.inputs[0].shape, &y = request.outputs[0].shape;
  const GemmShape shape{transposeA, attrs.flag("transposeB"), y[0], y[1], a[transposeA ? 0 : 1]};
  const auto alpha = static_cast<float>(attrs.number("alpha"));
  return makeKernel(request, "gemm", [shape, alpha](Pointers in, Pointers out, void*) {
    tiledGemm(shape, alpha, as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]));
  });
}

}  // namespace neuronode
