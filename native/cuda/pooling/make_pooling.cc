// Adapts pooling to the backend's Kernel: our own kernels, or the device library's where the
// options ask for it and it serves the problem.
//
// Policy: everything channels-last, indices too. With PoolingKernel::Library the fuser has put the
// pool's x and y behind the gradient's inputs (FusedNode::poolTensors): the library chooses the
// maxima anew from them and needs no indices, but our own forward still writes indices for others.
#include "kernel_request.h"
#include "pointwise/pointwise.h"
#include "pooling/pooling.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

bool isAdaptive(Op op) { return op == Op::AdaptiveAvgPool2d || op == Op::AdaptiveAvgPool2dGrad; }

bool isMax(Op op) { return op == Op::MaxPool2d || op == Op::MaxPool2dGrad; }

bool isGradient(Op op) {
  return op == Op::MaxPool2dGrad || op == Op::AvgPool2dGrad || op == Op::AdaptiveAvgPool2dGrad;
}

PoolShape poolShape(const KernelRequest& request) {
  const Op op = request.op();
  const bool gradient = isGradient(op);
  const Shape& x = (gradient ? request.outputs : request.inputs)[0].shape;
  const Shape& y = (gradient ? request.inputs : request.outputs)[0].shape;
  PoolShape shape{};
  shape.n = x[0], shape.c = x[1], shape.h = x[2], shape.w = x[3];
  shape.oh = y[2], shape.ow = y[3];
  shape.dilationH = shape.dilationW = 1;
  if (isAdaptive(op)) return shape;
  const Attrs::Pair kernel = request.pair("kernelSize"), stride = request.pair("stride");
  const Attrs::Pair padding = request.pair("padding");
  shape.kernelH = kernel.h, shape.kernelW = kernel.w;
  shape.strideH = stride.h, shape.strideW = stride.w;
  shape.padH = padding.h, shape.padW = padding.w;
  if (isMax(op)) {
    const Attrs::Pair dilation = request.pair("dilation");
    shape.dilationH = dilation.h, shape.dilationW = dilation.w;
  } else {
    shape.countIncludePad = request.node.spec.attrs.flag("countIncludePad");
  }
  return shape;
}

bool hasWords(const PoolShape& shape) { return shape.kernelH * shape.kernelW > 256; }

int64_t inputCount(const PoolShape& shape) { return shape.n * shape.c * shape.h * shape.w; }

// Indices are bytes or words: their layout's storage says nothing of them.
Layout indexLayout(const KernelRequest& request) { return request.channelsLast(Storage::F32); }

// The library's kernel for the request's problem, or null.
std::shared_ptr<LibraryPool> libraryPool(const KernelRequest& request) {
  const Op op = request.op();
  if (request.options.pooling != PoolingKernel::Library || isAdaptive(op)) return nullptr;
  // Someone wants the indices, or the pool's tensors are not at hand: ours alone knows them.
  if (op == Op::MaxPool2dGrad && !request.node.poolTensors) return nullptr;
  return request.context.pooling().make({.shape = poolShape(request),
                                         .max = isMax(op),
                                         .storage = request.storage(),
                                         .deterministic = request.options.deterministic});
}

std::unique_ptr<Kernel> makeMaxPool(const KernelRequest& request) {
  const Storage storage = request.storage();
  const Layout layout = request.channelsLast(storage);
  const PoolShape shape = poolShape(request);
  const bool wantsIndices = request.outputs.size() == 2;
  std::vector<Layout> out{layout};
  if (wantsIndices) out.push_back(indexLayout(request));
  return std::make_unique<FunctionKernel>(
      "maxPool2d", std::vector{layout}, std::move(out),
      [shape, storage, wantsIndices, stream = request.context.compute()](Pointers in, Pointers out,
                                                                         void*) {
        maxPool(stream, shape, {in[0], storage}, {out[0], storage},
                {wantsIndices ? out[1] : nullptr, hasWords(shape)});
      });
}

// Inputs: gy, indices[, x, y][, mask].
std::unique_ptr<Kernel> makeMaxPoolGrad(const KernelRequest& request) {
  const Storage storage = request.storage();
  const Layout layout = request.channelsLast(storage);
  const PoolShape shape = poolShape(request);
  const bool mask = request.node.reluMask;
  const auto stream = request.context.compute();
  std::vector<Layout> in(request.inputs.size(), layout);
  in[1] = indexLayout(request);
  if (const std::shared_ptr<LibraryPool> pool = libraryPool(request)) {
    return std::make_unique<FunctionKernel>(
        pool->kernelName + (mask ? "Grad+reluGrad" : "Grad"), std::move(in), std::vector{layout},
        [pool, mask, storage, stream, count = inputCount(shape)](Pointers in, Pointers out, void*) {
          pool->backward(in[0], in[2], in[3], out[0]);
          // x is the ReLU's output itself.
          const Floats gx{out[0], storage};
          if (mask) reluGrad(stream, gx, {in[2], storage}, gx, count);
        });
  }
  return std::make_unique<FunctionKernel>(
      mask ? "maxPool2dGrad+reluGrad" : "maxPool2dGrad", std::move(in), std::vector{layout},
      [shape, storage, mask, stream](Pointers in, Pointers out, void*) {
        maxPoolGrad(stream, shape, {in[0], storage}, {in[1], hasWords(shape)},
                    {mask ? in.back() : nullptr, storage}, {out[0], storage});
      });
}

// Forward, or the gradient of an average.
std::unique_ptr<Kernel> makeLibraryPool(const KernelRequest& request,
                                        std::shared_ptr<LibraryPool> pool) {
  const Layout layout = request.channelsLast(request.storage());
  const bool gradient = isGradient(request.op());
  std::string name = pool->kernelName + (gradient ? "Grad" : "");
  return std::make_unique<FunctionKernel>(
      std::move(name), std::vector{layout}, std::vector{layout},
      [pool = std::move(pool), gradient](Pointers in, Pointers out, void*) {
        if (!gradient) return pool->forward(in[0], out[0]);
        // An average's gradient reads neither x nor y, but the call wants memory of their sizes.
        pool->backward(in[0], out[0], in[0], out[0]);
      });
}

std::unique_ptr<Kernel> makeAverage(const KernelRequest& request) {
  const Op op = request.op();
  const Storage storage = request.storage();
  const Layout layout = request.channelsLast(storage);
  using Launch = void (*)(cudaStream_t, const PoolShape&, Floats, Floats);
  const Launch launch = op == Op::AvgPool2d           ? avgPool
                        : op == Op::AvgPool2dGrad     ? avgPoolGrad
                        : op == Op::AdaptiveAvgPool2d ? adaptiveAvgPool
                                                      : adaptiveAvgPoolGrad;
  return std::make_unique<FunctionKernel>(
      opName(op), std::vector{layout}, std::vector{layout},
      [launch, storage, shape = poolShape(request), stream = request.context.compute()](
          Pointers in, Pointers out, void*) {
        launch(stream, shape, {in[0], storage}, {out[0], storage});
      });
}

}  // namespace

std::unique_ptr<Kernel> makePooling(const KernelRequest& request) {
  const Op op = request.op();
  if (op == Op::MaxPool2dGrad) return makeMaxPoolGrad(request);
  // Indices are nothing that a library writes.
  if (request.outputs.size() == 1) {
    if (std::shared_ptr<LibraryPool> pool = libraryPool(request)) {
      return makeLibraryPool(request, std::move(pool));
    }
  }
  return op == Op::MaxPool2d ? makeMaxPool(request) : makeAverage(request);
}

Layout preferredByPooling(const KernelRequest& request, size_t input) {
  if (request.op() == Op::MaxPool2dGrad && input == 1) return indexLayout(request);
  return request.channelsLast(request.storage());
}

}  // namespace neuronode::cuda
