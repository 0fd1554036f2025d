#include "cpu/conv_sliced.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <exception>

#include "cpu/conv_tensors.h"

namespace neuronode {

namespace {

constexpr int64_t kSlices = 32;
// A weight gradient has as many partial sums as slices: no more than this, together.
constexpr int64_t kPartialFloats = 4 << 20;  // 16 MiB

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

size_t roundUpToLine(size_t bytes) { return (bytes + 63) / 64 * 64; }

// While it lives, oneDNN makes primitives for one thread.
class OneThread {
 public:
  OneThread() { omp_set_num_threads(1); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() { omp_set_num_threads(threads_); }

 private:
  int threads_ = omp_get_max_threads();
};

class SlicedKernel : public Kernel {
 public:
  SlicedKernel(const KernelRequest& request, const SliceMaker& make)
      : sumsOutputs_(request.node.spec.op == Op::Conv2dWeightGrad),
        threads_(omp_get_max_threads()) {
    const int64_t images = request.inputs[0].shape[0];
    const int64_t count = sliceCount(request, images);
    const int64_t perSlice = ceilDivide(images, count);
    const OneThread oneThread;
    for (int64_t first = 0; first < images; first += perSlice) {
      const Kernel* like = slices_.empty() ? nullptr : slices_[0].kernel.get();
      slices_.push_back({make(std::min(perSlice, images - first), like), first});
      sliceBytes_ = std::max(sliceBytes_, roundUpToLine(slices_.back().kernel->workspaceBytes));
    }
    const Kernel& first = *slices_[0].kernel;
    name = first.name + " by image";
    inputLayouts = first.inputLayouts;
    outputLayouts = first.outputLayouts;
    for (size_t i = 0; i < request.inputs.size(); ++i) {
      const bool hasImages = sumsOutputs_ || i != 1;
      const bool isBias = request.node.spec.op == Op::Conv2d && i == 2;
      const size_t bytes = bytesOf(request.backend, request.inputs[i], inputLayouts[i]);
      inputImageBytes_.push_back(hasImages && !isBias ? bytes / images : 0);
    }
    for (size_t i = 0; i < request.outputs.size(); ++i) {
      const size_t bytes = bytesOf(request.backend, request.outputs[i], outputLayouts[i]);
      outputImageBytes_.push_back(sumsOutputs_ ? 0 : bytes / images);
      partialOffsets_.push_back(partialBytes_);
      if (sumsOutputs_) partialBytes_ += roundUpToLine(bytes);
      outputFloats_.push_back(static_cast<int64_t>(bytes / sizeof(float)));
    }
    workspaceBytes = partialBytes_ * slices_.size() + sliceBytes_ * threads_;
  }

  void run(std::span<void* const> in, std::span<void* const> out, void* workspace) override {
    std::exception_ptr failure;
    // Inside a parallel region oneDNN computes with the calling thread alone.
#pragma omp parallel for schedule(dynamic) num_threads(threads_)
    for (size_t i = 0; i < slices_.size(); ++i) {
      try {
        runSlice(i, in, out, as<std::byte>(workspace));
      } catch (...) {
#pragma omp critical(neuronodeSliceFailure)
        failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
    if (!sumsOutputs_) return;
    for (size_t o = 0; o < out.size(); ++o) addPartials(o, as<float>(out[o]), workspace);
  }

 private:
  struct Slice {
    std::unique_ptr<Kernel> kernel;
    int64_t firstImage;
  };

  static int64_t sliceCount(const KernelRequest& request, int64_t images) {
    int64_t count = std::min(images, kSlices);
    if (request.node.spec.op == Op::Conv2dWeightGrad) {
      count = std::min(count, kPartialFloats / elementCount(request.outputs[0].shape));
    }
    return std::max<int64_t>(count, 1);
  }

  static size_t bytesOf(const CpuBackend& backend, TensorDesc desc, Layout layout) {
    desc.layout = layout;
    return backend.bytes(desc);
  }

  std::byte* partial(size_t slice, size_t output, void* workspace) const {
    return as<std::byte>(workspace) + slice * partialBytes_ + partialOffsets_[output];
  }

  void runSlice(size_t index, std::span<void* const> in, std::span<void* const> out,
                std::byte* workspace) const {
    const Slice& slice = slices_[index];
    std::array<void*, 3> inputs{};
    std::array<void*, 2> outputs{};
    for (size_t i = 0; i < in.size(); ++i) {
      inputs[i] = as<std::byte>(in[i]) + slice.firstImage * inputImageBytes_[i];
    }
    for (size_t o = 0; o < out.size(); ++o) {
      outputs[o] = sumsOutputs_ ? partial(index, o, workspace)
                                : as<std::byte>(out[o]) + slice.firstImage * outputImageBytes_[o];
    }
    std::byte* scratch = workspace + partialBytes_ * slices_.size();
    slice.kernel->run({inputs.data(), in.size()}, {outputs.data(), out.size()},
                      scratch + sliceBytes_ * omp_get_thread_num());
  }

  void addPartials(size_t output, float* total, void* workspace) const {
    constexpr int64_t kPiece = 4096;
    const int64_t floats = outputFloats_[output];
#pragma omp parallel for schedule(static) if (floats > kPiece) num_threads(threads_)
    for (int64_t begin = 0; begin < floats; begin += kPiece) {
      const int64_t end = std::min(floats, begin + kPiece);
      const auto* first = as<const float>(partial(0, output, workspace));
      std::copy(first + begin, first + end, total + begin);
      for (size_t slice = 1; slice < slices_.size(); ++slice) {
        const auto* part = as<const float>(partial(slice, output, workspace));
        for (int64_t i = begin; i < end; ++i) total[i] += part[i];
      }
    }
  }

  bool sumsOutputs_;
  int threads_;
  std::vector<Slice> slices_;
  std::vector<size_t> inputImageBytes_, outputImageBytes_;
  std::vector<size_t> partialOffsets_;
  std::vector<int64_t> outputFloats_;
  size_t partialBytes_ = 0;  // of all outputs of one slice
  size_t sliceBytes_ = 0;    // of one thread
};

}  // namespace

std::unique_ptr<Kernel> makeSlicedConvolution(const KernelRequest& request,
                                              const SliceMaker& make) {
  return std::make_unique<SlicedKernel>(request, make);
}

}  // namespace neuronode
