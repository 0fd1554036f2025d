// Linear layers, their gradients, and bare matrix products.
//
// Policy: the weight lies as the features of the layer's input do, so that the layer after a
// flatten reads channels-last activations as they are; gradients follow the weight. Operands are
// stored as the precision says, outputs as their reader asks, with rows padded as
// KernelRequest::rows says.
#include <memory>

#include "kernel_request.h"
#include "kernels/bias.h"
#include "linear/matmul.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

// Whether a matrix may be read or written as it lies: rows, in PyTorch's order of features or not.
bool isMatrix(const LayoutInfo& info) {
  return info.order == Order::Plain || info.order == Order::Features;
}

// A matrix whose rows may be of any pitch, in the order of features that `like` has.
LayoutInfo featuresLike(const LayoutInfo& like, Storage storage) {
  return {.order = like.order, .storage = storage, .channels = like.channels};
}

// The layout to read matrix `desc` in, stored as `storage`: as it lies where that is a matrix.
LayoutInfo readAs(const KernelRequest& request, const TensorDesc& desc, Storage storage) {
  const LayoutInfo& info = request.info(desc.layout);
  return isMatrix(info) ? info.as(storage) : LayoutInfo{.storage = storage};
}

// The same where the order of features must be `order`'s.
LayoutInfo readLike(const KernelRequest& request, const TensorDesc& desc, const LayoutInfo& order,
                    Storage storage) {
  const LayoutInfo& info = request.info(desc.layout);
  const bool fits = info.order == order.order && info.channels == order.channels;
  return fits ? info.as(storage) : featuresLike(order, storage);
}

// The layout to write output `output` in, in the order of features of `order`: what its reader
// prefers where it can be had, else padded rows.
LayoutInfo writeLike(const KernelRequest& request, const TensorDesc& output,
                     const LayoutInfo& order, Storage storage) {
  if (output.layout != Layout::Undecided) {
    const LayoutInfo& hint = request.info(output.layout);
    if (hint.order == order.order && hint.channels == order.channels) return hint;
    storage = hint.storage;
  }
  if (order.order == Order::Features) return featuresLike(order, storage);
  return request.info(request.rows(output.shape[1], storage));
}

std::string kernelName(const char* what, const Matmul& matmul) {
  return std::string(what) + " " + matmul.name();
}

// y [n, out] = x [n, in] * w [out, in]^T + b [out]
std::unique_ptr<Kernel> makeForward(const KernelRequest& request) {
  const TensorDesc &x = request.inputs[0], &w = request.inputs[1], &y = request.outputs[0];
  const Storage operands = request.storage();
  const bool placed = w.layout != Layout::Undecided && isMatrix(request.info(w.layout));
  const LayoutInfo xInfo = placed ? readLike(request, x, request.info(w.layout), operands)
                                  : readAs(request, x, operands);
  const LayoutInfo wInfo = featuresLike(xInfo, operands);
  LayoutInfo yInfo = writeLike(request, y, LayoutInfo{}, operands);
  // The library writes f32 as f32 only.
  if (operands == Storage::F32) yInfo.storage = Storage::F32;
  const bool bias = request.inputs.size() == 3;
  const MatmulProblem problem{.transposeB = true,
                              .m = x.shape[0],
                              .n = w.shape[0],
                              .k = w.shape[1],
                              .pitchA = pitchOf(xInfo, x.shape[1]),
                              .pitchB = w.shape[1],
                              .pitchY = pitchOf(yInfo, y.shape[1]),
                              .operands = operands,
                              .y = yInfo.storage,
                              .precision = request.options.precision,
                              .bias = bias,
                              .relu = request.node.relu};
  std::shared_ptr<Matmul> matmul = makeMatmul(request.context, problem);
  std::vector<Layout> in{request.layout(xInfo), request.layout(wInfo)};
  if (bias) in.push_back(request.plain(matmul->biasStorage()));
  return std::make_unique<FunctionKernel>(
      kernelName("linear", *matmul), std::move(in), std::vector{request.layout(yInfo)},
      [matmul, bias](Pointers in, Pointers out, void*) {
        matmul->run({.a = in[0], .b = in[1], .bias = bias ? in[2] : nullptr, .y = out[0]});
      });
}

// gx [n, in] = gy [n, out] * w [out, in]
std::unique_ptr<Kernel> makeInputGrad(const KernelRequest& request) {
  const TensorDesc &gy = request.inputs[0], &w = request.inputs[1], &gx = request.outputs[0];
  const Storage operands = request.storage();
  const LayoutInfo gyInfo = readLike(request, gy, LayoutInfo{}, operands);
  const LayoutInfo wInfo =
      featuresLike(readAs(request, w, operands), operands);  // without a pitch: as forward wants it
  LayoutInfo gxInfo = writeLike(request, gx, wInfo, operands);
  if (operands == Storage::F32) gxInfo.storage = Storage::F32;
  const MatmulProblem problem{.m = gy.shape[0],
                              .n = w.shape[1],
                              .k = w.shape[0],
                              .pitchA = pitchOf(gyInfo, gy.shape[1]),
                              .pitchB = w.shape[1],
                              .pitchY = pitchOf(gxInfo, gx.shape[1]),
                              .operands = operands,
                              .y = gxInfo.storage,
                              .precision = request.options.precision};
  std::shared_ptr<Matmul> matmul = makeMatmul(request.context, problem);
  const Layout gxLayout = request.layout(gxInfo);
  std::vector<Layout> in{request.layout(gyInfo), request.layout(wInfo)};
  const bool mask = request.node.reluMask;
  if (mask) in.push_back(gxLayout);
  const int64_t count = request.map(gxLayout, gx.shape).physicalCount;
  return std::make_unique<FunctionKernel>(
      kernelName(mask ? "linearInputGrad+reluGrad" : "linearInputGrad", *matmul), std::move(in),
      std::vector{gxLayout},
      [matmul, mask, count, storage = gxInfo.storage, stream = request.context.compute()](
          Pointers in, Pointers out, void*) {
        matmul->run({.a = in[0], .b = in[1], .y = out[0]});
        const Floats gx{out[0], storage};
        if (mask) reluGrad(stream, gx, {in[2], storage}, gx, count);
      });
}

// gw [out, in] = gy [n, out]^T * x [n, in], gb [out] = the sum of gy over n
std::unique_ptr<Kernel> makeWeightGrad(const KernelRequest& request) {
  const TensorDesc &x = request.inputs[0], &gy = request.inputs[1], &gw = request.outputs[0];
  const Storage operands = request.storage();
  const LayoutInfo xInfo = readAs(request, x, operands);
  const LayoutInfo gyInfo = readLike(request, gy, LayoutInfo{}, operands);
  // In f32, and without a pitch: the optimizer reads it beside the parameter.
  const LayoutInfo gwInfo = featuresLike(xInfo, Storage::F32);
  const int64_t rows = gy.shape[0], columns = gy.shape[1], pitch = pitchOf(gyInfo, columns);
  const MatmulProblem problem{.transposeA = true,
                              .m = gw.shape[0],
                              .n = gw.shape[1],
                              .k = rows,
                              .pitchA = pitch,
                              .pitchB = pitchOf(xInfo, x.shape[1]),
                              .pitchY = gw.shape[1],
                              .operands = operands,
                              .y = gwInfo.storage,
                              .precision = request.options.precision};
  std::shared_ptr<Matmul> matmul = makeMatmul(request.context, problem);
  const bool bias = request.outputs.size() == 2;
  std::vector<Layout> out{request.layout(gwInfo)};
  if (bias) out.push_back(Layout::Plain);
  const size_t workspace =
      bias ? static_cast<size_t>(biasGradWorkspace(rows, columns)) * sizeof(float) : 0;
  return std::make_unique<FunctionKernel>(
      kernelName("linearWeightGrad", *matmul),
      std::vector{request.layout(xInfo), request.layout(gyInfo)}, std::move(out),
      [matmul, bias, rows, columns, pitch, operands, stream = request.context.compute()](
          Pointers in, Pointers out, void* workspace) {
        matmul->run({.a = in[1], .b = in[0], .y = out[0]});
        if (bias) {
          biasGrad(stream, {in[1], operands}, rows, columns, pitch, as<float>(out[1]),
                   as<float>(workspace));
        }
      },
      workspace);
}

}  // namespace

std::unique_ptr<Kernel> makeLinear(const KernelRequest& request) {
  switch (request.op()) {
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
  const TensorDesc &a = request.inputs[0], &b = request.inputs[1], &y = request.outputs[0];
  const bool transposeA = attrs.flag("transposeA"), transposeB = attrs.flag("transposeB");
  const Storage operands = request.storage();
  const LayoutInfo aInfo = readLike(request, a, LayoutInfo{}, operands);
  const LayoutInfo bInfo = readLike(request, b, LayoutInfo{}, operands);
  LayoutInfo yInfo = writeLike(request, y, LayoutInfo{}, operands);
  if (operands == Storage::F32) yInfo.storage = Storage::F32;
  const MatmulProblem problem{.transposeA = transposeA,
                              .transposeB = transposeB,
                              .m = y.shape[0],
                              .n = y.shape[1],
                              .k = a.shape[transposeA ? 0 : 1],
                              .pitchA = pitchOf(aInfo, a.shape[1]),
                              .pitchB = pitchOf(bInfo, b.shape[1]),
                              .pitchY = pitchOf(yInfo, y.shape[1]),
                              .operands = operands,
                              .y = yInfo.storage,
                              .precision = request.options.precision,
                              .alpha = static_cast<float>(attrs.number("alpha"))};
  std::shared_ptr<Matmul> matmul = makeMatmul(request.context, problem);
  return std::make_unique<FunctionKernel>(
      kernelName("gemm", *matmul), std::vector{request.layout(aInfo), request.layout(bInfo)},
      std::vector{request.layout(yInfo)}, [matmul](Pointers in, Pointers out, void*) {
        matmul->run({.a = in[0], .b = in[1], .y = out[0]});
      });
}

Layout preferredByLinear(const KernelRequest& request, size_t input) {
  const Shape& shape = request.inputs[input].shape;
  const bool bias = request.op() == Op::Linear && input == 2;
  if (bias) return Layout::Undecided;
  const TensorDesc& present = request.inputs[input];
  // Whatever order of features comes: only its storage matters.
  if (present.layout != Layout::Undecided && isMatrix(request.info(present.layout))) {
    return request.layout(request.info(present.layout).as(request.storage()));
  }
  return request.rows(shape[1], request.storage());
}

}  // namespace neuronode::cuda
