// cuBLASLt: products with a bias and a ReLU in the epilogue.
#include <cublasLt.h>

#include <cstring>

#include "blas_product.h"

using namespace neuronode::cuda::emulation;

namespace {

struct Description {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  int32_t transposeA = CUBLAS_OP_N, transposeB = CUBLAS_OP_N;
  int32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  int32_t biasType = -1;  // that of D
};
struct Layout {
  cudaDataType type;
  int64_t rows, columns, ld;
};
struct Preference {
  uint64_t workspaceBytes = 0;
};

// Descriptors are the library's own host memory, which it allocates.
template <class Object, class Handle>
cublasStatus_t create(const char* name, Handle* handle, const Object& object) {
  return blasApi(name, kAllocates | kNoDevice, [&] {
    *handle = reinterpret_cast<Handle>(new Object(object));
    ++state().descriptors;
    return CUBLAS_STATUS_SUCCESS;
  });
}

template <class Object, class Handle>
cublasStatus_t destroy(const char* name, Handle handle) {
  return blasApi(name, kReleases | kNoDevice, [&] {
    delete reinterpret_cast<Object*>(handle);
    if (handle) --state().descriptors;
    return CUBLAS_STATUS_SUCCESS;
  });
}

template <class Value>
cublasStatus_t assign(Value& to, const void* from, size_t bytes) {
  if (bytes != sizeof to) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

const Layout& layout(cublasLtMatrixLayout_t handle) {
  return *reinterpret_cast<const Layout*>(handle);
}
const Description& description(cublasLtMatmulDesc_t handle) {
  return *reinterpret_cast<const Description*>(handle);
}

Operand operand(const void* at, const Layout& from, int32_t operation) {
  return {at, from.type, operation != CUBLAS_OP_N, from.ld};
}

// The request without its pointers; false where the shapes do not fit each other.
bool makeProduct(const Description& what, const Layout& a, const Layout& b, const Layout& c,
                 const Layout& d, Product& product) {
  const bool transposedA = what.transposeA != CUBLAS_OP_N;
  const bool transposedB = what.transposeB != CUBLAS_OP_N;
  product.m = d.rows;
  product.n = d.columns;
  product.k = transposedA ? a.rows : a.columns;
  product.tf32 = what.compute == CUBLAS_COMPUTE_32F_FAST_TF32 && a.type == CUDA_R_32F;
  product.relu =
      what.epilogue == CUBLASLT_EPILOGUE_RELU || what.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
  product.a = operand(nullptr, a, what.transposeA);
  product.b = operand(nullptr, b, what.transposeB);
  product.c = operand(nullptr, d, CUBLAS_OP_N);
  product.biasType = what.biasType < 0 ? d.type : static_cast<cudaDataType>(what.biasType);
  return (transposedA ? a.columns : a.rows) == product.m &&
         (transposedB ? b.columns : b.rows) == product.k &&
         (transposedB ? b.rows : b.columns) == product.n && c.rows == d.rows &&
         c.columns == d.columns && c.type == d.type && c.ld == d.ld;
}

bool hasBias(const Description& what) {
  return what.epilogue == CUBLASLT_EPILOGUE_BIAS || what.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
}

// Whether there is an algorithm. Stricter than the library: rows of bf16 on 16-byte boundaries.
bool isServed(const Description& what, const Product& product) {
  const bool known = what.epilogue == CUBLASLT_EPILOGUE_DEFAULT ||
                     what.epilogue == CUBLASLT_EPILOGUE_RELU || hasBias(what);
  if (!known || product.a.type != product.b.type) return false;
  if (product.a.type == CUDA_R_32F && product.c.type != CUDA_R_32F) return false;
  if (hasBias(what) && product.biasType != product.c.type) return false;
  for (const Operand* each : {&product.a, &product.b, &product.c}) {
    if (each->type == CUDA_R_16BF && each->ld % 8 != 0) return false;
  }
  return true;
}

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return blasApi("cublasLtCreate", kWaits | kAllocates,
                 [&] { return createBlas(reinterpret_cast<void**>(handle), true); });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return blasApi("cublasLtDestroy", kWaits | kReleases, [&] { return destroyBlas(handle, true); });
}

size_t cublasLtGetVersion() { return CUBLAS_VERSION; }

const char* cublasLtGetStatusString(cublasStatus_t status) { return cublasGetStatusString(status); }
const char* cublasLtGetStatusName(cublasStatus_t status) { return cublasGetStatusName(status); }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* handle, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return create("cublasLtMatmulDescCreate", handle, Description{.compute = compute});
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t handle) {
  return destroy<Description>("cublasLtMatmulDescDestroy", handle);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* from, size_t bytes) {
  return blasApi("cublasLtMatmulDescSetAttribute", kNoDevice, [&] {
    auto& what = *reinterpret_cast<Description*>(handle);
    switch (attribute) {
      case CUBLASLT_MATMUL_DESC_TRANSA:
        return assign(what.transposeA, from, bytes);
      case CUBLASLT_MATMUL_DESC_TRANSB:
        return assign(what.transposeB, from, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return assign(what.epilogue, from, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return assign(what.bias, from, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
        return assign(what.biasType, from, bytes);
      default:
        violate("cublasLtMatmulDescSetAttribute: an attribute that the emulation does not have");
        return CUBLAS_STATUS_INVALID_VALUE;
    }
  });
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* handle, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t ld) {
  return create("cublasLtMatrixLayoutCreate", handle,
                Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), ld});
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t handle) {
  return destroy<Layout>("cublasLtMatrixLayoutDestroy", handle);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* handle) {
  return create("cublasLtMatmulPreferenceCreate", handle, Preference());
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t handle) {
  return destroy<Preference>("cublasLtMatmulPreferenceDestroy", handle);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* from, size_t bytes) {
  return blasApi("cublasLtMatmulPreferenceSetAttribute", kNoDevice, [&] {
    auto& preference = *reinterpret_cast<Preference*>(handle);
    if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
      return assign(preference.workspaceBytes, from, bytes);
    }
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t what,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* found) {
  return blasApi("cublasLtMatmulAlgoGetHeuristic", kPlain, [&] {
    *found = 0;
    if (!findBlas(handle, true)) return CUBLAS_STATUS_NOT_INITIALIZED;
    Product product;
    if (requested < 1 ||
        !makeProduct(description(what), layout(a), layout(b), layout(c), layout(d), product)) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    if (!isServed(description(what), product)) return CUBLAS_STATUS_NOT_SUPPORTED;
    *found = 1;
    results[0] = {};
    results[0].algo.data[0] = 1;
    results[0].state = CUBLAS_STATUS_SUCCESS;
    results[0].workspaceSize = reinterpret_cast<Preference*>(preference)->workspaceBytes;
    results[0].algo.data[1] = results[0].workspaceSize;
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t whatHandle,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t aLayout,
                              const void* b, cublasLtMatrixLayout_t bLayout, const void* beta,
                              const void* c, cublasLtMatrixLayout_t cLayout, void* d,
                              cublasLtMatrixLayout_t dLayout, const cublasLtMatmulAlgo_t* algorithm,
                              void* workspace, size_t workspaceBytes, cudaStream_t stream) {
  return blasApi("cublasLtMatmul", kPlain, [&] {
    if (!findBlas(handle, true)) return CUBLAS_STATUS_NOT_INITIALIZED;
    cudaError_t error = cudaSuccess;
    StreamObject* on = findStream(stream, error);
    if (!on) return CUBLAS_STATUS_INVALID_VALUE;
    const Description& what = description(whatHandle);
    const auto reject = [](const std::string& why) {
      violate("cublasLtMatmul: " + why);
      return CUBLAS_STATUS_INVALID_VALUE;
    };
    Product product;
    if (!makeProduct(what, layout(aLayout), layout(bLayout), layout(cLayout), layout(dLayout),
                     product) ||
        !isServed(what, product)) {
      return reject("the matrices do not fit each other");
    }
    if (!algorithm || algorithm->data[0] != 1) return reject("the algorithm is not one");
    if (workspaceBytes < algorithm->data[1]) return reject("the workspace is too small");
    product.alpha = *static_cast<const float*>(alpha);
    product.beta = *static_cast<const float*>(beta);
    product.a.at = a;
    product.b.at = b;
    product.c.at = d;
    product.workspace = workspace;
    product.workspaceBytes = workspaceBytes;
    if (const std::string problem = problemOf(product); !problem.empty()) return reject(problem);
    if (product.beta != 0 && c != d) return reject("the emulation has no C apart from D");
    if (hasBias(what)) {
      product.bias = what.bias;
      if (locate(what.bias, 1).place != Place::Device) {
        return reject("the bias is " + describe(what.bias));
      }
    }
    return enqueueProduct(*on, "cublasLtMatmul", product);
  });
}
