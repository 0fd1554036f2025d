// Adapts the optimizer steps to the backend's Kernel: all parameters that share their attributes in
// one launch.
//
// Policy: the tables of tensors and of blocks' shares live in device memory that the kernel owns.
// They hold pointers, which are known when the kernel first runs and are the same from then on, so
// that run uploads them, from page-locked memory and without waiting; later runs only launch.
#include <cstring>
#include <functional>

#include "error.h"
#include "kernel_request.h"
#include "optimizer/optimizer.h"
#include "optimizers.h"

namespace neuronode::cuda {

namespace {

// Where the tensors are among a step's inputs.
struct Places {
  int updates = 1, states = 0;

  int stride() const { return 2 + states; }
  int param(int update) const { return update * stride(); }
  int grad(int update) const { return param(update) + 1; }
  int state(int update, int which) const { return param(update) + 2 + which; }
  int step() const { return updates * stride(); }
  int lr() const { return step() + 1; }
};

class UpdateKernel : public Kernel {
 public:
  UpdateKernel(const KernelRequest& request, const Places& places)
      : stream_(request.context.compute()), places_(places) {
    launch_ = withOptimizer(request.node.spec, [this](const auto& options) -> Launch {
      return [this, options](const UpdateTable& table) { optimizerStep(stream_, table, options); };
    });
    place(request);
    placeShadows(request);
    chunks_ = updateChunks(tensors_);
    const size_t tensorBytes = tensors_.size() * sizeof(UpdateTensor);
    const size_t chunkBytes = chunks_.size() * sizeof(UpdateChunk);
    static_assert(sizeof(UpdateTensor) % alignof(UpdateChunk) == 0);
    tableBytes_ = tensorBytes + chunkBytes;
    device_ = makeDeviceMemory(tableBytes_);
    pinned_ = makePinnedMemory(tableBytes_);
    name = std::string(opName(request.op())) + " of " + std::to_string(places_.updates);
  }

  void run(std::span<void* const> in, std::span<void* const> out, void*) override {
    if (!uploaded_) upload(in, out);
    auto* tensors = static_cast<const UpdateTensor*>(device_.get());
    launch_({.tensors = tensors,
             .chunks = reinterpret_cast<const UpdateChunk*>(tensors + tensors_.size()),
             .chunkCount = static_cast<int64_t>(chunks_.size()),
             .step = static_cast<const int32_t*>(in[at(places_.step())]),
             .lr = static_cast<const double*>(in[at(places_.lr())])});
  }

 private:
  using Launch = std::function<void(const UpdateTable& table)>;

  static size_t at(int index) { return static_cast<size_t>(index); }

  // Gradient and state lie as the parameter does, wherever that is already placed.
  void place(const KernelRequest& request) {
    inputLayouts.assign(request.inputs.size(), Layout::Plain);
    for (int i = 0; i < places_.updates; ++i) {
      const TensorDesc& param = request.inputs[at(places_.param(i))];
      const LayoutInfo info = request.info(param.layout).as(Storage::F32);
      const Layout layout = request.layout(info);
      inputLayouts[at(places_.param(i))] = layout;
      for (int s = 0; s < places_.states; ++s) inputLayouts[at(places_.state(i, s))] = layout;
      // A gradient in bf16 is read as it is.
      const TensorDesc& grad = request.inputs[at(places_.grad(i))];
      const LayoutInfo gradInfo = request.info(grad.layout);
      const bool half = gradInfo == info.as(Storage::BF16);
      inputLayouts[at(places_.grad(i))] = half ? grad.layout : layout;
      UpdateTensor tensor{};
      tensor.count = indexMap(info, param.shape).physicalCount;
      tensor.gradStorage = half ? Storage::BF16 : Storage::F32;
      tensors_.push_back(tensor);
    }
  }

  // The copies are laid out as their parameters.
  void placeShadows(const KernelRequest& request) {
    for (const int input : request.node.shadows) {
      const LayoutInfo& info = request.info(inputLayouts[at(input)]);
      outputLayouts.push_back(request.layout(info.as(Storage::BF16)));
      shadowOf_.push_back(input / places_.stride());
    }
  }

  void upload(std::span<void* const> in, std::span<void* const> out) {
    for (int i = 0; i < places_.updates; ++i) {
      UpdateTensor& tensor = tensors_[at(i)];
      tensor.param = static_cast<float*>(in[at(places_.param(i))]);
      tensor.grad = in[at(places_.grad(i))];
      for (int s = 0; s < places_.states; ++s) {
        tensor.states[s] = static_cast<float*>(in[at(places_.state(i, s))]);
      }
    }
    for (size_t i = 0; i < shadowOf_.size(); ++i) {
      tensors_[at(shadowOf_[i])].shadow = static_cast<uint16_t*>(out[i]);
    }
    auto* pinned = static_cast<std::byte*>(pinned_.get());
    const size_t tensorBytes = tensors_.size() * sizeof(UpdateTensor);
    std::memcpy(pinned, tensors_.data(), tensorBytes);
    std::memcpy(pinned + tensorBytes, chunks_.data(), tableBytes_ - tensorBytes);
    NN_CHECK_CUDA(
        cudaMemcpyAsync(device_.get(), pinned, tableBytes_, cudaMemcpyHostToDevice, stream_));
    uploaded_ = true;
  }

  cudaStream_t stream_;
  Places places_;
  Launch launch_;
  std::vector<UpdateTensor> tensors_;
  std::vector<UpdateChunk> chunks_;
  std::vector<int> shadowOf_;  // by output: the update whose parameter it copies
  size_t tableBytes_ = 0;
  DeviceMemory device_;
  PinnedMemory pinned_;
  bool uploaded_ = false;
};

}  // namespace

std::unique_ptr<Kernel> makeOptimizerStep(const KernelRequest& request) {
  const int states = stateCount(request.node.spec);
  return std::make_unique<UpdateKernel>(request,
                                        Places{.updates = request.node.updates, .states = states});
}

Layout preferredByOptimizer(const KernelRequest& request, size_t input) {
  // The gradient beside its parameter, once that is placed.
  const auto stride = static_cast<size_t>(2 + stateCount(request.node.spec));
  const size_t tensors = stride * static_cast<size_t>(request.node.updates);
  if (input >= tensors || input % stride != 1) return Layout::Undecided;
  const Layout param = request.inputs[input - 1].layout;
  return param == Layout::Undecided ? Layout::Undecided
                                    : request.layout(request.info(param).as(Storage::F32));
}

}  // namespace neuronode::cuda
