// LibraryPooling by cuDNN's pooling calls. They are marked as deprecated since 9.0 and still ship;
// the graph API's resampling has engines only that are compiled at run time.
//
// Policy: averages and maxima in f32 or bf16, channels-last. The deterministic mode of maxima is
// another algorithm, taken only when asked for.
#include <limits>
#include <type_traits>

#include "convolution/cudnn_status.h"
#include "pooling/library_pooling.h"

namespace neuronode::cuda {

namespace {

struct TensorDeleter {
  void operator()(cudnnTensorDescriptor_t tensor) const noexcept {
    cudnnDestroyTensorDescriptor(tensor);  // host memory only
  }
};
struct PoolingDeleter {
  void operator()(cudnnPoolingDescriptor_t pooling) const noexcept {
    cudnnDestroyPoolingDescriptor(pooling);  // host memory only
  }
};
using TensorDescriptor =
    std::unique_ptr<std::remove_pointer_t<cudnnTensorDescriptor_t>, TensorDeleter>;
using PoolingDescriptor =
    std::unique_ptr<std::remove_pointer_t<cudnnPoolingDescriptor_t>, PoolingDeleter>;

TensorDescriptor makeTensor(Storage storage, int64_t n, int64_t c, int64_t h, int64_t w) {
  cudnnTensorDescriptor_t made = nullptr;
  NN_CHECK_CUDNN(cudnnCreateTensorDescriptor(&made));
  TensorDescriptor tensor(made);
  NN_CHECK_CUDNN(cudnnSetTensor4dDescriptor(
      made, CUDNN_TENSOR_NHWC, storage == Storage::F32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16,
      static_cast<int>(n), static_cast<int>(c), static_cast<int>(h), static_cast<int>(w)));
  return tensor;
}

cudnnPoolingMode_t modeOf(const LibraryPoolProblem& problem) {
  if (problem.max) {
    return problem.deterministic ? CUDNN_POOLING_MAX_DETERMINISTIC : CUDNN_POOLING_MAX;
  }
  return problem.shape.countIncludePad ? CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING
                                       : CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING;
}

PoolingDescriptor makePooling(const LibraryPoolProblem& problem) {
  const PoolShape& s = problem.shape;
  cudnnPoolingDescriptor_t made = nullptr;
  NN_CHECK_CUDNN(cudnnCreatePoolingDescriptor(&made));
  PoolingDescriptor pooling(made);
  NN_CHECK_CUDNN(cudnnSetPooling2dDescriptor(
      made, modeOf(problem), CUDNN_PROPAGATE_NAN, static_cast<int>(s.kernelH),
      static_cast<int>(s.kernelW), static_cast<int>(s.padH), static_cast<int>(s.padW),
      static_cast<int>(s.strideH), static_cast<int>(s.strideW)));
  return pooling;
}

// Descriptors need no device: planning without one makes them as well.
class CudnnPool : public LibraryPool {
 public:
  CudnnPool(const LibraryPoolProblem& problem, cudnnHandle_t handle)
      : handle_(handle),
        x_(makeTensor(problem.storage, problem.shape.n, problem.shape.c, problem.shape.h,
                      problem.shape.w)),
        y_(makeTensor(problem.storage, problem.shape.n, problem.shape.c, problem.shape.oh,
                      problem.shape.ow)),
        pooling_(makePooling(problem)) {
    kernelName = std::string("cudnn ") + (problem.max ? "maxPool" : "avgPool");
  }

  // Ceil mode has outputs that the library does not compute.
  bool hasOutput(const PoolShape& shape) const {
    int n = 0, c = 0, h = 0, w = 0;
    NN_CHECK_CUDNN(cudnnGetPooling2dForwardOutputDim(pooling_.get(), x_.get(), &n, &c, &h, &w));
    return h == shape.oh && w == shape.ow;
  }

  void forward(const void* x, void* y) override {
    const float one = 1, zero = 0;
    NN_CHECK_CUDNN(
        cudnnPoolingForward(handle_, pooling_.get(), &one, x_.get(), x, &zero, y_.get(), y));
  }

  void backward(const void* gy, const void* x, const void* y, void* gx) override {
    const float one = 1, zero = 0;
    NN_CHECK_CUDNN(cudnnPoolingBackward(handle_, pooling_.get(), &one, y_.get(), y, y_.get(), gy,
                                        x_.get(), x, &zero, x_.get(), gx));
  }

 private:
  cudnnHandle_t handle_;
  TensorDescriptor x_, y_;
  PoolingDescriptor pooling_;
};

class CudnnPooling : public LibraryPooling {
 public:
  explicit CudnnPooling(cudaStream_t stream) : stream_(stream) {}

  std::shared_ptr<LibraryPool> make(const LibraryPoolProblem& problem) override {
    const PoolShape& s = problem.shape;
    if (s.dilationH != 1 || s.dilationW != 1) return nullptr;
    // The library counts elements in 32 bits.
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
    if (s.n * s.c * s.h * s.w > kMost || s.n * s.c * s.oh * s.ow > kMost) return nullptr;
    // Most programs pool by our own kernels: a handle is made for the first that does not.
    if (!handle_) handle_ = makeCudnnHandle(stream_);
    auto pool = std::make_shared<CudnnPool>(problem, handle_.get());
    return pool->hasOutput(s) ? pool : nullptr;
  }

 private:
  cudaStream_t stream_;
  CudnnHandle handle_;
};

}  // namespace

std::unique_ptr<LibraryPooling> makeLibraryPooling(cudaStream_t stream) {
  return std::make_unique<CudnnPooling>(stream);
}

}  // namespace neuronode::cuda
