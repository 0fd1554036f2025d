#include "context.h"

namespace neuronode::cuda {

namespace {

BlasHandle makeBlas(cudaStream_t stream, void* workspace) {
  cublasHandle_t raw = nullptr;
  NN_CHECK_CUBLAS(cublasCreate(&raw));
  BlasHandle handle(raw);
  NN_CHECK_CUBLAS(cublasSetStream(raw, stream));
  // After the stream, which resets it. Without a workspace of its own the library would allocate
  // inside recorded graphs.
  NN_CHECK_CUBLAS(cublasSetWorkspace(raw, workspace, kBlasWorkspaceBytes));
  // Partial sums of products with bf16 results stay f32.
  NN_CHECK_CUBLAS(cublasSetMathMode(
      raw, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                     CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)));
  return handle;
}

BlasLtHandle makeBlasLt() {
  cublasLtHandle_t raw = nullptr;
  NN_CHECK_CUBLAS(cublasLtCreate(&raw));
  return BlasLtHandle(raw);
}

}  // namespace

GpuFacts readFacts(int ordinal) {
  cudaDeviceProp properties{};
  NN_CHECK_CUDA(cudaGetDeviceProperties(&properties, ordinal));
  return {.ordinal = ordinal,
          .model = properties.name,
          .computeMajor = properties.major,
          .computeMinor = properties.minor,
          .multiprocessors = properties.multiProcessorCount,
          .totalMemory = properties.totalGlobalMem};
}

Context::Context(const GpuFacts& facts, DeviceHealth& health)
    : facts_(facts),
      health_(health),
      compute_(makeStream()),
      copy_(makeStream()),
      blasWorkspace_(makeDeviceMemory(kBlasWorkspaceBytes)),
      blas_(makeBlas(compute_.get(), blasWorkspace_.get())),
      blasLt_(makeBlasLt()),
      planner_(makeConvPlanner(compute_.get())),
      pooling_(makeLibraryPooling(compute_.get())) {}

}  // namespace neuronode::cuda
