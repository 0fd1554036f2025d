// cuBLAS: handles, and the products that the backend calls.
#include "blas_product.h"

using namespace neuronode::cuda::emulation;

namespace {

// What a handle's state allows: null where nothing.
StreamObject* streamOf(const BlasObject& handle, const char* name, cublasStatus_t& status) {
  cudaError_t error = cudaSuccess;
  StreamObject* stream = findStream(handle.stream, error);
  if (!stream) {
    status = CUBLAS_STATUS_INVALID_VALUE;
    return nullptr;
  }
  if (!handle.workspace) {
    violate(std::string(name) + ": no workspace was set after the stream" +
            (stream->capture ? ", and the stream is being captured" : ""));
    if (stream->capture) stream->capture->invalid = true;
    status = CUBLAS_STATUS_NOT_SUPPORTED;
    return nullptr;
  }
  return stream;
}

cublasStatus_t multiply(cublasHandle_t handle, const char* name, Product product, bool tf32) {
  return blasApi(name, kPlain, [&] {
    BlasObject* object = findBlas(handle, false);
    if (!object) return CUBLAS_STATUS_NOT_INITIALIZED;
    cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
    StreamObject* stream = streamOf(*object, name, status);
    if (!stream) return status;
    if (const std::string problem = problemOf(product); !problem.empty()) {
      violate(std::string(name) + ": " + problem);
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    product.tf32 =
        product.a.type == CUDA_R_32F &&
        (tf32 || (object->mathMode & CUBLAS_TF32_TENSOR_OP_MATH) == CUBLAS_TF32_TENSOR_OP_MATH);
    product.workspace = object->workspace;
    product.workspaceBytes = object->workspaceBytes;
    return enqueueProduct(*stream, name, product);
  });
}

// Whether the compute type is known and which it is.
bool isComputeType(cublasComputeType_t type, bool& tf32) {
  tf32 = type == CUBLAS_COMPUTE_32F_FAST_TF32;
  return tf32 || type == CUBLAS_COMPUTE_32F || type == CUBLAS_COMPUTE_32F_PEDANTIC;
}

bool isTransposed(cublasOperation_t operation) { return operation != CUBLAS_OP_N; }

}  // namespace

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  return blasApi("cublasCreate", kWaits | kAllocates,
                 [&] { return createBlas(reinterpret_cast<void**>(handle), false); });
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  return blasApi("cublasDestroy", kWaits | kReleases, [&] { return destroyBlas(handle, false); });
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return blasApi("cublasSetStream", kPlain, [&] {
    BlasObject* object = findBlas(handle, false);
    if (!object) return CUBLAS_STATUS_NOT_INITIALIZED;
    cudaError_t error = cudaSuccess;
    if (!findStream(stream, error)) return CUBLAS_STATUS_INVALID_VALUE;
    object->stream = stream;
    object->workspace = nullptr;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  return blasApi("cublasGetStream", kPlain, [&] {
    BlasObject* object = findBlas(handle, false);
    if (!object) return CUBLAS_STATUS_NOT_INITIALIZED;
    *stream = object->stream;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void* workspace, size_t bytes) {
  return blasApi("cublasSetWorkspace", kPlain, [&] {
    BlasObject* object = findBlas(handle, false);
    if (!object) return CUBLAS_STATUS_NOT_INITIALIZED;
    const Located found = locate(workspace, bytes);
    if (bytes == 0 || found.place != Place::Device || found.device != currentDevice() ||
        reinterpret_cast<uintptr_t>(workspace) % 256) {
      violate("cublasSetWorkspace: " + std::to_string(bytes) + " bytes at " + describe(workspace));
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    object->workspace = workspace;
    object->workspaceBytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return blasApi("cublasSetMathMode", kPlain, [&] {
    BlasObject* object = findBlas(handle, false);
    if (!object) return CUBLAS_STATUS_NOT_INITIALIZED;
    object->mathMode = mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
  return blasApi("cublasGetVersion", kNoDevice, [&] {
    // The real one writes nothing for a null handle either.
    if (handle) *version = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasGetProperty(libraryPropertyType type, int* value) {
  return blasApi("cublasGetProperty", kNoDevice, [&] {
    *value = type == MAJOR_VERSION   ? CUBLAS_VER_MAJOR
             : type == MINOR_VERSION ? CUBLAS_VER_MINOR
                                     : CUBLAS_VER_PATCH;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t transa,
                              cublasOperation_t transb, int m, int n, int k, const float* alpha,
                              const float* a, int lda, const float* b, int ldb, const float* beta,
                              float* c, int ldc) {
  Product product{.m = m, .n = n, .k = k, .alpha = *alpha, .beta = *beta};
  product.a = {a, CUDA_R_32F, isTransposed(transa), lda};
  product.b = {b, CUDA_R_32F, isTransposed(transb), ldb};
  product.c = {c, CUDA_R_32F, false, ldc};
  return multiply(handle, "cublasSgemm", product, false);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa,
                            cublasOperation_t transb, int m, int n, int k, const void* alpha,
                            const void* a, cudaDataType aType, int lda, const void* b,
                            cudaDataType bType, int ldb, const void* beta, void* c,
                            cudaDataType cType, int ldc, cublasComputeType_t compute,
                            cublasGemmAlgo_t) {
  bool tf32 = false;
  if (!isComputeType(compute, tf32)) return CUBLAS_STATUS_NOT_SUPPORTED;
  Product product{.m = m, .n = n, .k = k};
  product.alpha = *static_cast<const float*>(alpha);
  product.beta = *static_cast<const float*>(beta);
  product.a = {a, aType, isTransposed(transa), lda};
  product.b = {b, bType, isTransposed(transb), ldb};
  product.c = {c, cType, false, ldc};
  return multiply(handle, "cublasGemmEx", product, tf32);
}

cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
    const void* alpha, const void* a, cudaDataType aType, int lda, long long strideA, const void* b,
    cudaDataType bType, int ldb, long long strideB, const void* beta, void* c, cudaDataType cType,
    int ldc, long long strideC, int batch, cublasComputeType_t compute, cublasGemmAlgo_t) {
  bool tf32 = false;
  if (!isComputeType(compute, tf32)) return CUBLAS_STATUS_NOT_SUPPORTED;
  Product product{.m = m, .n = n, .k = k, .batch = batch};
  product.alpha = *static_cast<const float*>(alpha);
  product.beta = *static_cast<const float*>(beta);
  product.a = {a, aType, isTransposed(transa), lda, strideA};
  product.b = {b, bType, isTransposed(transb), ldb, strideB};
  product.c = {c, cType, false, ldc, strideC};
  return multiply(handle, "cublasGemmStridedBatchedEx", product, tf32);
}

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "CUBLAS_STATUS_UNKNOWN";
  }
}

const char* cublasGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "the operation completed successfully";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "an invalid value was used as an argument";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "the function failed to launch on the GPU";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "the functionality is not supported";
    default:
      return "unknown error";
  }
}
