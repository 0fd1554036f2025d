#include "blas_product.h"

#include "gemm.h"

namespace neuronode::cuda::emulation {
namespace {

size_t sizeOf(cudaDataType type) { return type == CUDA_R_16BF ? 2 : 4; }
bool isKnown(cudaDataType type) { return type == CUDA_R_16BF || type == CUDA_R_32F; }

size_t extent(const Operand& operand, int64_t rows, int64_t columns, int64_t batch) {
  if (rows == 0 || columns == 0) return 0;
  const int64_t elements = (columns - 1) * operand.ld + rows + operand.stride * (batch - 1);
  return static_cast<size_t>(elements) * sizeOf(operand.type);
}

MatrixView view(const Operand& operand, int64_t offset, int64_t rowStride, int64_t columnStride) {
  MatrixView result{nullptr, rowStride, columnStride};
  if (operand.type == CUDA_R_16BF) {
    result.bf16 = static_cast<const uint16_t*>(operand.at) + offset;
  } else {
    result.at = static_cast<const float*>(operand.at) + offset;
  }
  return result;
}

float load(const void* at, cudaDataType type, int64_t i) {
  return type == CUDA_R_16BF ? bf16ToFloat(static_cast<const uint16_t*>(at)[i])
                             : static_cast<const float*>(at)[i];
}

void store(void* at, cudaDataType type, int64_t i, float value) {
  if (type == CUDA_R_16BF) {
    static_cast<uint16_t*>(at)[i] = floatToBf16(value);
  } else {
    static_cast<float*>(at)[i] = value;
  }
}

void multiply(const Product& p, int64_t index) {
  // Row-major eyes: c^T [n, m] = op(b)^T [n, k] * op(a)^T [k, m].
  const int64_t offsetA = index * p.a.stride, offsetB = index * p.b.stride;
  const MatrixView left =
      p.b.transposed ? view(p.b, offsetB, 1, p.b.ld) : view(p.b, offsetB, p.b.ld, 1);
  const MatrixView right =
      p.a.transposed ? view(p.a, offsetA, 1, p.a.ld) : view(p.a, offsetA, p.a.ld, 1);
  void* const c = const_cast<void*>(p.c.at);
  const int64_t offsetC = index * p.c.stride;
  static thread_local std::vector<float> buffer;
  const bool direct = p.c.type == CUDA_R_32F && p.beta == 0;
  float* result = direct ? static_cast<float*>(c) + offsetC : nullptr;
  if (!direct) {
    buffer.resize(p.n * p.m);
    result = buffer.data();
  }
  const int64_t ld = direct ? p.c.ld : p.m;
  gemm(p.n, p.m, p.k, left, right, result, ld, p.tf32);
  if (direct && p.alpha == 1 && !p.bias && !p.relu) return;
  for (int64_t j = 0; j < p.n; ++j) {
    for (int64_t i = 0; i < p.m; ++i) {
      const int64_t at = offsetC + j * p.c.ld + i;
      float value = p.alpha * result[j * ld + i];
      if (p.beta != 0) value += p.beta * load(c, p.c.type, at);
      if (p.bias) value += load(p.bias, p.biasType, i);
      // As the library: a NaN stays one.
      if (p.relu && value < 0) value = 0;
      store(c, p.c.type, at, value);
    }
  }
}

}  // namespace

std::string problemOf(const Product& p) {
  const auto check = [](const Operand& operand, const char* name, int64_t rows) -> std::string {
    const std::string text = std::string("matrix ") + name + " ";
    if (!isKnown(operand.type)) return text + "has a type that the emulation does not know";
    if (operand.ld < std::max<int64_t>(1, rows)) return text + "has too small a leading dimension";
    if (!operand.at) return text + "is null";
    const size_t alignment = operand.type == CUDA_R_16BF ? 16 : 4;
    if (reinterpret_cast<uintptr_t>(operand.at) % alignment) return text + "is not aligned";
    const Located found = locate(operand.at, 1);
    if (found.place != Place::Device || found.device != currentDevice()) {
      return text + "is " + describe(operand.at);
    }
    return "";
  };
  if (p.m < 0 || p.n < 0 || p.k < 0 || p.batch < 0) return "a dimension is negative";
  if (p.m == 0 || p.n == 0 || p.batch == 0) return "a dimension is zero";
  for (const std::string& problem :
       {check(p.a, "A", p.a.transposed ? p.k : p.m), check(p.b, "B", p.b.transposed ? p.n : p.k),
        check(p.c, "C", p.m)}) {
    if (!problem.empty()) return problem;
  }
  if (p.a.type != p.b.type) return "A and B differ in type";
  if (p.a.type == CUDA_R_32F && p.c.type != CUDA_R_32F) return "C is narrower than A and B";
  return "";
}

cublasStatus_t enqueueProduct(StreamObject& stream, const char* name, const Product& product) {
  const Product p = product;
  return blasStatus(enqueueOn(stream, name, [p] {
    scribble(p.workspace, p.workspaceBytes);
    requireDevice(p.a.at,
                  extent(p.a, p.a.transposed ? p.k : p.m, p.a.transposed ? p.m : p.k, p.batch),
                  "matrix A");
    requireDevice(p.b.at,
                  extent(p.b, p.b.transposed ? p.n : p.k, p.b.transposed ? p.k : p.n, p.batch),
                  "matrix B");
    requireDevice(p.c.at, extent(p.c, p.m, p.n, p.batch), "matrix C");
    if (p.bias) requireDevice(p.bias, p.m * sizeOf(p.biasType), "the bias");
    for (int64_t i = 0; i < p.batch; ++i) multiply(p, i);
  }));
}

cublasStatus_t blasStatus(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return CUBLAS_STATUS_SUCCESS;
    case cudaErrorMemoryAllocation:
      return CUBLAS_STATUS_ALLOC_FAILED;
    case cudaErrorNotSupported:
      return CUBLAS_STATUS_NOT_SUPPORTED;
    case cudaErrorInvalidValue:
    case cudaErrorInvalidResourceHandle:
      return CUBLAS_STATUS_INVALID_VALUE;
    default:
      return CUBLAS_STATUS_EXECUTION_FAILED;
  }
}

BlasObject* findBlas(void* handle, bool light) {
  const auto found = state().blas.find(handle);
  if (found == state().blas.end() || found->second->light != light) {
    violate("a cuBLAS handle that is not there was used");
    return nullptr;
  }
  if (found->second->device != currentDevice()) {
    violate("a cuBLAS handle of another device was used");
    return nullptr;
  }
  return found->second.get();
}

cublasStatus_t createBlas(void** handle, bool light) {
  if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
  auto made = std::make_shared<BlasObject>();
  made->device = currentDevice();
  made->light = light;
  *handle = newHandle();
  state().blas[*handle] = std::move(made);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t destroyBlas(void* handle, bool light) {
  const auto found = state().blas.find(handle);
  if (found == state().blas.end() || found->second->light != light) {
    violate("a cuBLAS handle that is not there was destroyed");
    return CUBLAS_STATUS_NOT_INITIALIZED;
  }
  state().blas.erase(found);
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace neuronode::cuda::emulation
