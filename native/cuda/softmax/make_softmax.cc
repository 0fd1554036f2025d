// Adapts softmax to the backend's Kernel.
//
// Policy: it is computed as its input lies, a matrix in rows of whatever pitch, anything else
// dense, in plain order or channels-last. Outputs are f32, gradients as their reader wants them
// stored.
#include "kernel_request.h"
#include "softmax/softmax.h"
#include "softmax_options.h"

namespace neuronode::cuda {

namespace {

bool isOfRows(const KernelRequest& request) {
  return request.inputs.back().shape.size() == 2 && request.node.spec.attrs.integer("dim") == 1;
}

}  // namespace

std::unique_ptr<Kernel> makeSoftmax(const KernelRequest& request) {
  using Pointers = FunctionKernel::Pointers;
  const Op op = request.op();
  const TensorDesc& last = request.inputs.back();  // x, or y
  const LayoutInfo& own = request.info(last.layout);
  const bool isPitched = isOfRows(request) && own.order == Order::Plain;
  const LayoutInfo info = isPitched ? own : request.walkable(last);
  const auto dim = static_cast<size_t>(request.node.spec.attrs.integer("dim"));
  // Where each axis of the tensor is in memory that has its channels last.
  constexpr size_t kLast[] = {0, 3, 1, 2};
  const RowsAlong rows(memoryAxes(last.shape, info.order),
                       info.order == Order::ChannelsLast ? kLast[dim] : dim);
  const SoftmaxShape shape{rows.before, rows.size, rows.behind,
                           isPitched ? pitchOf(info, rows.size) : rows.size, isLogSoftmax(op)};
  const auto stream = request.context.compute();
  if (!isSoftmaxGradient(op)) {
    return std::make_unique<FunctionKernel>(
        opName(op), std::vector{request.layout(info)},
        std::vector{request.layout(info.as(Storage::F32))},
        [shape, stream, storage = info.storage](Pointers in, Pointers out, void*) {
          softmax(stream, shape, {in[0], storage}, {out[0], Storage::F32});
        });
  }
  const Storage upper = request.info(request.inputs[0].layout).storage;
  const Storage wanted = request.info(request.outputs[0].layout).storage;
  return std::make_unique<FunctionKernel>(
      opName(op), std::vector{request.layout(info.as(upper)), request.layout(info)},
      std::vector{request.layout(info.as(wanted))},
      [shape, stream, upper, storage = info.storage, wanted](Pointers in, Pointers out, void*) {
        softmaxGrad(stream, shape, {in[0], upper}, {in[1], storage}, {out[0], wanted});
      });
}

Layout preferredBySoftmax(const KernelRequest& request, size_t input) {
  if (isSoftmaxGradient(request.op()) || !isOfRows(request)) return Layout::Undecided;
  return request.rows(request.inputs[input].shape[1], Storage::F32);
}

}  // namespace neuronode::cuda
