#include "cpu/convolution/conv_direct.h"

#include "cpu/convolution/conv_gemm.h"
#include "cpu/convolution/conv_sliced.h"
#include "cpu/convolution/conv_tensors.h"
#include "cpu/onednn_kernel.h"

namespace neuronode {

using onednn::Desc;
using onednn::Dims;

namespace {

class DirectConvolution {
 public:
  explicit DirectConvolution(const KernelRequest& request)
      : request_(request),
        backend_(request.backend),
        tensors_(convTensors(request)),
        groups_(request.node.spec.attrs.integer("groups")) {
    const Attrs::Pair stride = request.pair("stride"), dilation = request.pair("dilation");
    const Attrs::Pair padding = request.pair("padding");
    geometry_ = {{stride.h, stride.w}, {dilation.h - 1, dilation.w - 1}, {padding.h, padding.w}};
  }

  // In the layouts of `like`, of a weight gradient, or in the best ones.
  std::unique_ptr<Kernel> make(const Kernel* like = nullptr) {
    if (like != nullptr) {
      weights_ = like->outputLayouts[0];
      return makeIn(like->inputLayouts[1]);
    }
    // Blocked activations are the library's fast case. Where it has only its reference code for
    // them (groups that are no multiple of the block), plain ones may have a faster one.
    std::unique_ptr<Kernel> blocked = makeIn(Layout::Blocked);
    if (!isReference(*blocked)) return blocked;
    std::unique_ptr<Kernel> plain = makeIn(Layout::Plain);
    return isReference(*plain) && tensors_.x.layout == Layout::Blocked ? std::move(blocked)
                                                                       : std::move(plain);
  }

 private:
  static bool isReference(const Kernel& kernel) {
    return kernel.name.find("ref") != std::string::npos;
  }

  std::unique_ptr<Kernel> makeIn(Layout layout) {
    // The library's kernels for the first layer read few plain channels.
    const bool fewChannels = groups_ == 1 && tensors_.x.shape[1] < kFewChannels;
    x_ = activation(tensors_.x, fewChannels ? Layout::Plain : layout);
    y_ = activation(tensors_.y, layout);
    switch (request_.node.spec.op) {
      case Op::Conv2d:
        return makeForward();
      case Op::Conv2dInputGrad:
        return makeInputGrad();
      default:
        return makeWeightGrad();
    }
  }

  Desc activation(const TensorDesc& desc, Layout layout) const {
    return backend_.describe({desc.dtype, desc.shape, layout});
  }

  // Weights as oneDNN counts them: with groups as a dimension of their own.
  Desc anyWeights() const {
    const Shape& w = tensors_.w.shape;
    Dims dims(w.begin(), w.end());
    if (groups_ > 1) dims = {groups_, w[0] / groups_, w[1], w[2], w[3]};
    if (weights_ != Layout::Undecided) return backend_.describe({DType::F32, w, weights_}, dims);
    return {dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any};
  }

  Desc biasDesc(bool present) const {
    if (!present) return {};
    return {{tensors_.w.shape[0]}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::x};
  }

  dnnl::convolution_forward::primitive_desc forwardHint() const {
    return onednn::convForward(backend_.engine(), dnnl::prop_kind::forward_training, x_,
                               anyWeights(), {}, y_, geometry_);
  }

  std::unique_ptr<Kernel> makeForward() {
    const bool bias = request_.inputs.size() == 3;
    const auto pd = onednn::convForward(backend_.engine(), dnnl::prop_kind::forward_training, x_,
                                        anyWeights(), biasDesc(bias), y_, geometry_);
    auto kernel = onednnKernel(backend_, "direct", pd, dnnl::convolution_forward(pd));
    kernel->addInput(DNNL_ARG_SRC, pd.src_desc(), tensors_.x.shape);
    kernel->addInput(DNNL_ARG_WEIGHTS, pd.weights_desc(), tensors_.w.shape);
    if (bias) kernel->addInput(DNNL_ARG_BIAS, pd.bias_desc(), request_.inputs[2].shape);
    kernel->addOutput(DNNL_ARG_DST, pd.dst_desc(), tensors_.y.shape);
    if (request_.node.relu) kernel->addRelu();
    return kernel;
  }

  std::unique_ptr<Kernel> makeInputGrad() {
    const auto pd =
        onednn::convBackwardData(backend_.engine(), x_, anyWeights(), y_, geometry_, forwardHint());
    auto kernel = onednnKernel(backend_, "direct", pd, dnnl::convolution_backward_data(pd));
    kernel->addInput(DNNL_ARG_DIFF_DST, pd.diff_dst_desc(), tensors_.y.shape);
    kernel->addInput(DNNL_ARG_WEIGHTS, pd.weights_desc(), tensors_.w.shape);
    kernel->addOutput(DNNL_ARG_DIFF_SRC, pd.diff_src_desc(), tensors_.x.shape);
    if (request_.node.reluMask) kernel->addReluMask();
    return kernel;
  }

  std::unique_ptr<Kernel> makeWeightGrad() {
    const bool bias = request_.outputs.size() == 2;
    const auto pd = onednn::convBackwardWeights(backend_.engine(), x_, anyWeights(), biasDesc(bias),
                                                y_, geometry_, forwardHint());
    auto kernel = onednnKernel(backend_, "direct", pd, dnnl::convolution_backward_weights(pd));
    kernel->addInput(DNNL_ARG_SRC, pd.src_desc(), tensors_.x.shape);
    kernel->addInput(DNNL_ARG_DIFF_DST, pd.diff_dst_desc(), tensors_.y.shape);
    kernel->addOutput(DNNL_ARG_DIFF_WEIGHTS, pd.diff_weights_desc(), tensors_.w.shape);
    if (bias) {
      kernel->addOutput(DNNL_ARG_DIFF_BIAS, pd.diff_bias_desc(), request_.outputs[1].shape);
    }
    return kernel;
  }

  const KernelRequest& request_;
  CpuBackend& backend_;
  ConvTensors tensors_;
  int64_t groups_;
  Layout weights_ = Layout::Undecided;
  onednn::ConvGeometry geometry_;
  Desc x_, y_;
};

}  // namespace

std::unique_ptr<Kernel> makeDirectConvolution(const KernelRequest& request) {
  return onednn::guarded(opName(request.node.spec.op), [&]() -> std::unique_ptr<Kernel> {
    std::unique_ptr<Kernel> kernel = DirectConvolution(request).make();
    // The library cuts its products where the number of threads says, and divides the sum of a
    // weight gradient among them: both would show in the bits.
    if (kernel->name.find("gemm:") != std::string::npos) return makeGemmConvolution(request);
    if (request.node.spec.op != Op::Conv2dWeightGrad) return kernel;
    return makeSlicedWeightGrad(request, [&](int64_t images, const Kernel* like) {
      return DirectConvolution(FewerImages(request, images).request()).make(like);
    });
  });
}

bool directHasDepthwise(const KernelRequest& request) {
  return makeDirectConvolution(request)->name.find("jit_dw") != std::string::npos;
}

}  // namespace neuronode
