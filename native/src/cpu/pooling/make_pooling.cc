// Adapts the pooling kernels to the backend's Kernel.
#include "cpu/kernels.h"
#include "cpu/pooling/pooling.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;

int64_t planeCount(const PlaneShape& plane) { return plane.n * plane.groups(); }

MaxPoolShape maxPoolShape(const KernelRequest& request, const Shape& in, const Shape& out,
                          const PlaneShape& plane) {
  const Attrs::Pair kernel = request.pair("kernelSize"), stride = request.pair("stride");
  const Attrs::Pair padding = request.pair("padding"), dilation = request.pair("dilation");
  return {planeCount(plane), plane.block, in[2],    in[3],     out[2],    out[3],     kernel.h,
          kernel.w,          stride.h,    stride.w, padding.h, padding.w, dilation.h, dilation.w};
}

AveragePoolShape averagePoolShape(const KernelRequest& request, const Shape& in, const Shape& out,
                                  const PlaneShape& plane) {
  const Op op = request.node.spec.op;
  if (op == Op::AdaptiveAvgPool2d || op == Op::AdaptiveAvgPool2dGrad) {
    return {planeCount(plane), plane.block, adaptiveWindows(in[2], out[2]),
            adaptiveWindows(in[3], out[3])};
  }
  const Attrs::Pair kernel = request.pair("kernelSize"), stride = request.pair("stride");
  const Attrs::Pair padding = request.pair("padding");
  const bool includePad = request.node.spec.attrs.flag("countIncludePad");
  return {planeCount(plane), plane.block,
          averageWindows(in[2], out[2], kernel.h, stride.h, padding.h, includePad),
          averageWindows(in[3], out[3], kernel.w, stride.w, padding.w, includePad)};
}

}  // namespace

std::unique_ptr<Kernel> makePooling(const KernelRequest& request) {
  const PoolingKernels& kernels = poolingKernels();
  const Op op = request.node.spec.op;
  const TensorDesc& first = request.inputs[0];
  const Shape& target = request.outputs[0].shape;
  if (op == Op::MaxPool2d) {
    const Layout layout = planeLayout(first);
    const PlaneShape plane = planeShape(request.backend, first, layout);
    const bool wantsIndices = request.outputs.size() == 2;
    return std::make_unique<FunctionKernel>(
        "maxPool2d", std::vector{layout}, std::vector(request.outputs.size(), layout),
        [&kernels, shape = maxPoolShape(request, first.shape, target, plane), wantsIndices](
            Pointers in, Pointers out, void*) {
          kernels.maxPool(shape, as<const float>(in[0]), as<float>(out[0]),
                          wantsIndices ? out[1] : nullptr);
        });
  }
  if (op == Op::MaxPool2dGrad) {
    // The indices' layout is the forward's: everything follows it.
    const Layout layout = planeLayout(request.inputs[1]);
    const PlaneShape plane = planeShape(request.backend, first, layout);
    const bool mask = request.node.reluMask;
    return std::make_unique<FunctionKernel>(
        mask ? "maxPool2dGrad+reluGrad" : "maxPool2dGrad",
        std::vector(request.inputs.size(), layout), std::vector{layout},
        [&kernels, shape = maxPoolShape(request, target, first.shape, plane), mask](
            Pointers in, Pointers out, void*) {
          kernels.maxPoolGrad(shape, as<const float>(in[0]), in[1],
                              mask ? as<const float>(in[2]) : nullptr, as<float>(out[0]));
        });
  }
  const bool gradient = op == Op::AvgPool2dGrad || op == Op::AdaptiveAvgPool2dGrad;
  const Layout layout = planeLayout(first);
  const PlaneShape plane = planeShape(request.backend, first, layout);
  const AveragePoolShape shape = gradient ? averagePoolShape(request, target, first.shape, plane)
                                          : averagePoolShape(request, first.shape, target, plane);
  return std::make_unique<FunctionKernel>(
      opName(op), std::vector{layout}, std::vector{layout},
      [&kernels, shape, gradient](Pointers in, Pointers out, void*) {
        const auto run = gradient ? kernels.averagePoolGrad : kernels.averagePool;
        run(shape, as<const float>(in[0]), as<float>(out[0]));
      });
}

}  // namespace neuronode
