// Linear layers by oneDNN's inner product, and bare matrix products by its GEMM.
//
// Weights stay plain: the GEMM packs them as it goes, for less than a reorder between the layouts
// that forward and gradients would each like best.
#include "cpu/onednn_kernel.h"
#include "oneapi/dnnl/dnnl.h"

namespace neuronode {

using onednn::Desc;

namespace {

Desc plain(const CpuBackend& backend, const TensorDesc& desc) {
  return backend.describe({desc.dtype, desc.shape, Layout::Plain});
}

std::unique_ptr<Kernel> makeForward(const KernelRequest& request) {
  CpuBackend& backend = request.backend;
  const TensorDesc &x = request.inputs[0], &w = request.inputs[1], &y = request.outputs[0];
  const bool bias = request.inputs.size() == 3;
  const auto pd =
      onednn::innerForward(backend.engine(), dnnl::prop_kind::forward_training, plain(backend, x),
                           plain(backend, w), bias ? plain(backend, request.inputs[2]) : Desc(),
                           plain(backend, y), onednn::userScratchpad());
  auto kernel = onednnKernel(backend, "linear", pd, dnnl::inner_product_forward(pd));
  kernel->addInput(DNNL_ARG_SRC, pd.src_desc(), x.shape);
  kernel->addInput(DNNL_ARG_WEIGHTS, pd.weights_desc(), w.shape);
  if (bias) kernel->addInput(DNNL_ARG_BIAS, pd.bias_desc(), request.inputs[2].shape);
  kernel->addOutput(DNNL_ARG_DST, pd.dst_desc(), y.shape);
  if (request.node.relu) kernel->addRelu();
  return kernel;
}

dnnl::inner_product_forward::primitive_desc forwardHint(const CpuBackend& backend,
                                                        const TensorDesc& x, const TensorDesc& w,
                                                        const TensorDesc& y) {
  return onednn::innerForward(backend.engine(), dnnl::prop_kind::forward_training,
                              plain(backend, x), plain(backend, w), {}, plain(backend, y),
                              onednn::userScratchpad());
}

std::unique_ptr<Kernel> makeInputGrad(const KernelRequest& request) {
  CpuBackend& backend = request.backend;
  const TensorDesc &gy = request.inputs[0], &w = request.inputs[1], &gx = request.outputs[0];
  const auto pd = onednn::innerBackwardData(backend.engine(), plain(backend, gx), plain(backend, w),
                                            plain(backend, gy), forwardHint(backend, gx, w, gy),
                                            onednn::userScratchpad());
  auto kernel = onednnKernel(backend, "linear", pd, dnnl::inner_product_backward_data(pd));
  kernel->addInput(DNNL_ARG_DIFF_DST, pd.diff_dst_desc(), gy.shape);
  kernel->addInput(DNNL_ARG_WEIGHTS, pd.weights_desc(), w.shape);
  kernel->addOutput(DNNL_ARG_DIFF_SRC, pd.diff_src_desc(), gx.shape);
  if (request.node.reluMask) kernel->addReluMask();
  return kernel;
}

std::unique_ptr<Kernel> makeWeightGrad(const KernelRequest& request) {
  CpuBackend& backend = request.backend;
  const TensorDesc &x = request.inputs[0], &gy = request.inputs[1], &gw = request.outputs[0];
  const bool bias = request.outputs.size() == 2;
  const auto pd = onednn::innerBackwardWeights(
      backend.engine(), plain(backend, x), plain(backend, gw),
      bias ? plain(backend, request.outputs[1]) : Desc(), plain(backend, gy),
      forwardHint(backend, x, gw, gy), onednn::userScratchpad());
  auto kernel = onednnKernel(backend, "linear", pd, dnnl::inner_product_backward_weights(pd));
  kernel->addInput(DNNL_ARG_SRC, pd.src_desc(), x.shape);
  kernel->addInput(DNNL_ARG_DIFF_DST, pd.diff_dst_desc(), gy.shape);
  kernel->addOutput(DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc(), gw.shape);
  if (bias) {
    kernel->addOutput(DNNL_ARG_DIFF_BIAS, pd.diff_bias_desc(), request.outputs[1].shape);
  }
  return kernel;
}

}  // namespace

std::unique_ptr<Kernel> makeLinear(const KernelRequest& request) {
  return onednn::guarded(opName(request.node.spec.op), [&] {
    switch (request.node.spec.op) {
      case Op::Linear:
        return makeForward(request);
      case Op::LinearInputGrad:
        return makeInputGrad(request);
      default:
        return makeWeightGrad(request);
    }
  });
}

std::unique_ptr<Kernel> makeGemm(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  const Shape &a = request.inputs[0].shape, &b = request.inputs[1].shape;
  const char transA = attrs.flag("transposeA") ? 'T' : 'N';
  const char transB = attrs.flag("transposeB") ? 'T' : 'N';
  const int64_t m = request.outputs[0].shape[0], n = request.outputs[0].shape[1];
  const int64_t k = a[transA == 'T' ? 0 : 1], lda = a[1], ldb = b[1];
  const auto alpha = static_cast<float>(attrs.number("alpha"));
  using Inputs = FunctionKernel::Inputs;
  return std::make_unique<FunctionKernel>(
      "gemm", std::vector(2, Layout::Plain), std::vector{Layout::Plain},
      [=](Inputs in, Inputs out) {
        const dnnl_status_t status =
            dnnl_sgemm(transA, transB, m, n, k, alpha, as<const float>(in[0]), lda,
                       as<const float>(in[1]), ldb, 0.f, as<float>(out[0]), n);
        if (status != dnnl_success) {
          throw Error(onednn::codeOf(status), "oneDNN: sgemm: status " + std::to_string(status));
        }
      });
}

}  // namespace neuronode
