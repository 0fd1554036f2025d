// Adapts softmax to the backend's Kernel.
#include "cpu/kernels.h"
#include "cpu/softmax/softmax.h"
#include "softmax_options.h"

namespace neuronode {

std::unique_ptr<Kernel> makeSoftmax(const KernelRequest& request) {
  using Pointers = FunctionKernel::Pointers;
  const Op op = request.node.spec.op;
  const SoftmaxKernels& kernels = softmaxKernels();
  const TensorDesc& y = request.inputs.back();
  const auto dim = static_cast<size_t>(request.node.spec.attrs.integer("dim"));
  // In blocks only along the channels.
  const Layout layout = dim == 1 ? planeLayout(y) : Layout::Plain;
  const RowsAlong rows(y.shape, dim);
  const PlaneShape shape{rows.before, rows.size, rows.behind,
                         layout == Layout::Blocked ? request.backend.channelBlock() : 1};
  FunctionKernel::Body body;
  if (isSoftmaxGradient(op)) {
    const auto run = isLogSoftmax(op) ? kernels.logSoftmaxGrad : kernels.softmaxGrad;
    body = [shape, run](Pointers in, Pointers out, void*) {
      run(shape, as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]));
    };
  } else {
    const auto run = isLogSoftmax(op) ? kernels.logSoftmax : kernels.softmax;
    body = [shape, run](Pointers in, Pointers out, void*) {
      run(shape, as<const float>(in[0]), as<float>(out[0]));
    };
  }
  return std::make_unique<FunctionKernel>(opName(op), std::vector(request.inputs.size(), layout),
                                          std::vector{layout}, std::move(body));
}

}  // namespace neuronode
