#include "cuda_backend.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "error.h"
#include "executor.h"
#include "kernel_request.h"
#include "kernels/reorder.h"

namespace neuronode::cuda {

namespace {

constexpr size_t kStagingBytes = size_t{4} << 20;

class DeviceBuffer : public Buffer {
 public:
  explicit DeviceBuffer(size_t bytes) : memory_(makeDeviceMemory(bytes)), bytes_(bytes) {}

  void* data() override { return memory_.get(); }
  size_t size() const override { return bytes_; }

 private:
  DeviceMemory memory_;
  size_t bytes_;
};

// Events between pieces of work on one stream.
class EventLaps : public Laps {
 public:
  explicit EventLaps(cudaStream_t stream) : stream_(stream) {}

  void mark() override {
    marks_.push_back(makeTimingEvent());
    NN_CHECK_CUDA(cudaEventRecord(marks_.back().get(), stream_));
  }

  std::vector<double> milliseconds() override {
    if (!marks_.empty()) NN_CHECK_CUDA(cudaEventSynchronize(marks_.back().get()));
    std::vector<double> laps;
    for (size_t i = 1; i < marks_.size(); ++i) {
      float lap = 0;
      NN_CHECK_CUDA(cudaEventElapsedTime(&lap, marks_[i - 1].get(), marks_[i].get()));
      laps.push_back(lap);
    }
    return laps;
  }

 private:
  cudaStream_t stream_;
  std::vector<Event> marks_;
};

}  // namespace

CudaBackend::CudaBackend(Context& context)
    : context_(context), staging_(makePinnedMemory(kStagingBytes)) {}

void CudaBackend::synchronize() {
  throwIfLost();
  NN_CHECK_CUDA(cudaStreamSynchronize(context_.copy()));
  NN_CHECK_CUDA(cudaStreamSynchronize(context_.compute()));
}

std::unique_ptr<Laps> CudaBackend::makeLaps() {
  throwIfLost();
  return std::make_unique<EventLaps>(context_.compute());
}

size_t CudaBackend::bytes(const TensorDesc& desc) const {
  const auto count = static_cast<size_t>(context_.map(desc).physicalCount);
  const bool isFloat = desc.dtype == DType::F32;
  return count * (isFloat ? storageSize(context_.info(desc).storage) : dtypeSize(desc.dtype));
}

std::unique_ptr<Buffer> CudaBackend::allocate(size_t bytes) {
  throwIfLost();
  auto buffer = std::make_unique<DeviceBuffer>(bytes);
  if (bytes > 0) {
    NN_CHECK_CUDA(cudaMemsetAsync(buffer->data(), 0, bytes, context_.compute()));
    NN_CHECK_CUDA(cudaStreamSynchronize(context_.compute()));
  }
  return buffer;
}

size_t CudaBackend::availableBytes() const {
  size_t free = 0, total = 0;
  NN_CHECK_CUDA(cudaMemGetInfo(&free, &total));
  return free;
}

std::unique_ptr<Kernel> CudaBackend::makeKernel(const FusedNode& node,
                                                std::span<const TensorDesc> inputs,
                                                std::span<const TensorDesc> outputs,
                                                const KernelOptions& options) {
  throwIfLost();
  const KernelRequest request{context_, node, inputs, outputs, options};
  switch (opInfo(node.spec.op).family) {
    case Family::Conversion:
      return makeToFloat(request);
    case Family::Convolution:
      return makeConvolution(request);
    case Family::Linear:
      return node.spec.op == Op::Gemm ? makeGemm(request) : makeLinear(request);
    case Family::Pooling:
      return makePooling(request);
    case Family::Pointwise:
      return makePointwise(request);
    case Family::Joining:
      return makeJoining(request);
    case Family::Reduction:
      return makeReduction(request);
    case Family::Dropout:
      return makeDropout(request);
    case Family::Normalisation:
      return makeNormalisation(request);
    case Family::Resampling:
      return makeResampling(request);
    case Family::Softmax:
      return makeSoftmax(request);
    case Family::Loss:
      return makeLoss(request);
    case Family::Optimizer:
      return makeOptimizerStep(request);
    case Family::Reshape:
      break;  // a view, which needs no kernel
  }
  throw Error(errc::kArgument, std::string("cuda: no kernel for ") + opName(node.spec.op));
}

std::unique_ptr<Kernel> CudaBackend::makeReorder(const TensorDesc& from, const TensorDesc& to) {
  throwIfLost();
  const IndexMap source = context_.map(from), target = context_.map(to);
  const auto stream = context_.compute();
  FunctionKernel::Body body;
  switch (from.dtype) {
    case DType::F32:
      body = [source, target, stream, in = context_.info(from).storage,
              out = context_.info(to).storage](auto inputs, auto outputs, void*) {
        reorderFloats(stream, {inputs[0], in}, source, {outputs[0], out}, target);
      };
      break;
    case DType::U8:
      body = [source, target, stream](auto inputs, auto outputs, void*) {
        reorderBytes(stream, as<const uint8_t>(inputs[0]), source, as<uint8_t>(outputs[0]), target);
      };
      break;
    case DType::I32:
      body = [source, target, stream](auto inputs, auto outputs, void*) {
        reorderWords(stream, as<const int32_t>(inputs[0]), source, as<int32_t>(outputs[0]), target);
      };
      break;
    case DType::F64:
      throw Error(errc::kDType, "f64 tensors have one layout only");
  }
  return std::make_unique<FunctionKernel>("reorder", std::vector{from.layout},
                                          std::vector{to.layout}, std::move(body));
}

std::unique_ptr<Executor> CudaBackend::makeExecutor(std::vector<Transfer> inputs,
                                                    std::vector<Transfer> outputs) {
  throwIfLost();
  return makeCudaExecutor(context_, std::move(inputs), std::move(outputs));
}

void CudaBackend::upload(void* device, const void* host, size_t bytes) {
  synchronize();
  for (size_t done = 0; done < bytes;) {
    const size_t part = std::min(bytes - done, kStagingBytes);
    std::memcpy(staging_.get(), static_cast<const std::byte*>(host) + done, part);
    NN_CHECK_CUDA(cudaMemcpyAsync(static_cast<std::byte*>(device) + done, staging_.get(), part,
                                  cudaMemcpyHostToDevice, context_.compute()));
    NN_CHECK_CUDA(cudaStreamSynchronize(context_.compute()));
    done += part;
  }
}

void CudaBackend::download(void* host, const void* device, size_t bytes) {
  synchronize();
  for (size_t done = 0; done < bytes;) {
    const size_t part = std::min(bytes - done, kStagingBytes);
    NN_CHECK_CUDA(cudaMemcpyAsync(staging_.get(), static_cast<const std::byte*>(device) + done,
                                  part, cudaMemcpyDeviceToHost, context_.compute()));
    NN_CHECK_CUDA(cudaStreamSynchronize(context_.compute()));
    std::memcpy(static_cast<std::byte*>(host) + done, staging_.get(), part);
    done += part;
  }
}

Layout CudaBackend::preferredLayout(const FusedNode& node, std::span<const TensorDesc> inputs,
                                    std::span<const TensorDesc> outputs, size_t input,
                                    const KernelOptions& options) {
  const KernelRequest request{context_, node, inputs, outputs, options};
  switch (opInfo(node.spec.op).family) {
    case Family::Convolution:
      return preferredByConvolution(request, input);
    case Family::Linear:
      return preferredByLinear(request, input);
    case Family::Pooling:
      return preferredByPooling(request, input);
    case Family::Normalisation:
      return preferredByNormalisation(request, input);
    case Family::Resampling:
      return preferredByResampling(request);
    case Family::Softmax:
      return preferredBySoftmax(request, input);
    case Family::Loss:
      return preferredByLoss(request, input);
    case Family::Optimizer:
      return preferredByOptimizer(request, input);
    default:
      return Layout::Undecided;  // computes in whatever comes
  }
}

Layout CudaBackend::viewLayout(const TensorDesc& from, const Shape& to) {
  const LayoutInfo& info = context_.info(from);
  const bool dense = info.rowPitch == 0 || info.rowPitch == from.shape.back();
  LayoutInfo view{.storage = info.storage};
  if (info.order == Order::Plain) {
    if (!dense) return Layout::Undecided;
    // Images of one pixel lie the same either way, and their readers like channels last.
    if (to.size() == 4 && to[2] * to[3] == 1) view.order = Order::ChannelsLast;
    return context_.layouts().id(view);
  }
  if (info.order == Order::ChannelsLast && to.size() == 2 && to[0] == from.shape[0]) {
    const int64_t channels = from.shape[1];
    // Where there is one pixel, or one channel, the features are in the plain order.
    if (channels == 1 || channels == to[1]) return context_.layouts().id(view);
    view.order = Order::Features;
    view.channels = channels;
    return context_.layouts().id(view);
  }
  if (info.order == Order::Features && to.size() == 4 && to[0] == from.shape[0] &&
      to[1] == info.channels) {
    view.order = Order::ChannelsLast;
    return context_.layouts().id(view);
  }
  return Layout::Undecided;
}

Layout CudaBackend::storageLayout(Layout wanted) {
  if (wanted == Layout::Undecided) return wanted;
  return context_.layouts().id(context_.layouts().info(wanted).as(Storage::F32));
}

}  // namespace neuronode::cuda
