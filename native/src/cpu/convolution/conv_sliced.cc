#include "cpu/convolution/conv_sliced.h"

#include <omp.h>

#include <algorithm>
#include <array>
#include <exception>

#include "cpu/convolution/conv_shape.h"

namespace neuronode {

namespace {

// As many slices at most as keep the partial sums below this.
constexpr int64_t kSlices = 32;
constexpr int64_t kPartialFloats = 4 << 20;  // 16 MiB

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

class SlicedWeightGrad : public Kernel {
 public:
  SlicedWeightGrad(const KernelRequest& request, const SliceMaker& make)
      : threads_(omp_get_max_threads()) {
    const int64_t images = request.inputs[0].shape[0];
    const int64_t most = kPartialFloats / elementCount(request.outputs[0].shape);
    const int64_t perSlice = ceilDivide(images, std::clamp<int64_t>(most, 1, kSlices));
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
    for (size_t i = 0; i < inputLayouts.size(); ++i) {
      imageBytes_[i] = bytesOf(request.backend, request.inputs[i], inputLayouts[i]) / images;
    }
    for (size_t o = 0; o < outputLayouts.size(); ++o) {
      outputBytes_[o] = bytesOf(request.backend, request.outputs[o], outputLayouts[o]);
      partialOffsets_[o] = partialBytes_;
      partialBytes_ += roundUpToLine(outputBytes_[o]);
    }
    workspaceBytes = partialBytes_ * slices_.size() + sliceBytes_ * threads_;
  }

  void run(std::span<void* const> in, std::span<void* const> out, void* workspace) override {
    std::exception_ptr failure;
    // Inside a parallel region oneDNN computes with the calling thread alone.
#pragma omp parallel for schedule(dynamic) num_threads(threads_)
    for (size_t i = 0; i < slices_.size(); ++i) {
      try {
        runSlice(i, in, out.size(), workspace);
      } catch (...) {
#pragma omp critical(neuronodeSliceFailure)
        failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
    for (size_t o = 0; o < out.size(); ++o) addPartials(o, as<float>(out[o]), workspace);
  }

 private:
  struct Slice {
    std::unique_ptr<Kernel> kernel;
    int64_t firstImage;
  };

  static size_t bytesOf(const CpuBackend& backend, TensorDesc desc, Layout layout) {
    desc.layout = layout;
    return backend.bytes(desc);
  }

  void* partial(size_t slice, size_t output, void* workspace) const {
    return as<std::byte>(workspace) + slice * partialBytes_ + partialOffsets_[output];
  }

  void runSlice(size_t index, std::span<void* const> in, size_t outputs, void* workspace) const {
    const Slice& slice = slices_[index];
    std::array<void*, 2> from{}, to{};
    for (size_t i = 0; i < from.size(); ++i) {
      from[i] = as<std::byte>(in[i]) + slice.firstImage * imageBytes_[i];
    }
    for (size_t o = 0; o < outputs; ++o) to[o] = partial(index, o, workspace);
    std::byte* scratch = as<std::byte>(workspace) + partialBytes_ * slices_.size();
    slice.kernel->run(from, {to.data(), outputs}, scratch + sliceBytes_ * omp_get_thread_num());
  }

  void addPartials(size_t output, float* total, void* workspace) const {
    constexpr int64_t kPiece = 4096;
    const auto floats = static_cast<int64_t>(outputBytes_[output] / sizeof(float));
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

  int threads_;
  std::vector<Slice> slices_;
  std::array<size_t, 2> imageBytes_{}, outputBytes_{}, partialOffsets_{};
  size_t partialBytes_ = 0;  // of all outputs of one slice
  size_t sliceBytes_ = 0;    // of one thread
};

}  // namespace

std::unique_ptr<Kernel> makeSlicedWeightGrad(const KernelRequest& request, const SliceMaker& make) {
  return std::make_unique<SlicedWeightGrad>(request, make);
}

}  // namespace neuronode
