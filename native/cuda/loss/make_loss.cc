// Adapts softmax and softmax with cross-entropy to the backend's Kernel.
//
// Policy: logits are read as f32 rows wherever someone can write them so; the gradient is written
// as its reader wants it stored, in rows of the same pitch.
#include "kernel_request.h"
#include "loss/loss.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

// The matrix as it lies, where its rows are in the plain order.
LayoutInfo rowsOf(const KernelRequest& request, const TensorDesc& desc) {
  const LayoutInfo& info = request.info(desc.layout);
  return info.order == Order::Plain ? info : LayoutInfo{};
}

}  // namespace

std::unique_ptr<Kernel> makeSoftmax(const KernelRequest& request) {
  const int64_t rows = request.inputs[0].shape[0], columns = request.inputs[0].shape[1];
  const LayoutInfo x = rowsOf(request, request.inputs[0]);
  return std::make_unique<FunctionKernel>(
      "softmax", std::vector{request.layout(x)}, std::vector{request.layout(x.as(Storage::F32))},
      [rows, columns, pitch = pitchOf(x, columns), storage = x.storage,
       stream = request.context.compute()](Pointers in, Pointers out, void*) {
        softmax(stream, {in[0], storage}, {out[0], Storage::F32}, rows, columns, pitch);
      });
}

std::unique_ptr<Kernel> makeLoss(const KernelRequest& request) {
  const int64_t rows = request.inputs[0].shape[0], columns = request.inputs[0].shape[1];
  const LayoutInfo logits = rowsOf(request, request.inputs[0]);
  const bool sum = request.node.spec.attrs.flag("reduction");
  std::vector<Layout> out{Layout::Plain, Layout::Plain};
  const bool wantsGradient = request.outputs.size() == 3;
  Storage gradient = Storage::F32;
  if (wantsGradient) {
    gradient = request.info(request.outputs[2].layout).storage;
    out.push_back(request.layout(logits.as(gradient)));
  }
  const size_t workspace = static_cast<size_t>(rows) * (sizeof(double) + sizeof(int32_t));
  return std::make_unique<FunctionKernel>(
      "softmaxCrossEntropy", std::vector{request.layout(logits), Layout::Plain, Layout::Plain},
      std::move(out),
      [rows, columns, pitch = pitchOf(logits, columns), storage = logits.storage, sum,
       wantsGradient, gradient,
       stream = request.context.compute()](Pointers in, Pointers out, void* workspace) {
        auto* rowLoss = as<double>(workspace);
        crossEntropy(stream, {.logits = {in[0], storage},
                              .labels = as<const int32_t>(in[1]),
                              .count = as<const int32_t>(in[2]),
                              .sum = sum,
                              .loss = as<float>(out[0]),
                              .correct = as<int32_t>(out[1]),
                              .gradient = {wantsGradient ? out[2] : nullptr, gradient},
                              .rows = rows,
                              .columns = columns,
                              .pitch = pitch,
                              .rowLoss = rowLoss,
                              .rowCorrect = reinterpret_cast<int32_t*>(rowLoss + rows)});
      },
      workspace);
}

Layout preferredByLoss(const KernelRequest& request, size_t input) {
  if (input != 0) return Layout::Undecided;
  return request.rows(request.inputs[0].shape[1], Storage::F32);
}

}  // namespace neuronode::cuda
