// cuBLAS's functions, forwarded. See symbols.h.
#include <cublas_v2.h>

#include "loading/symbols.h"

namespace neuronode::cuda {

SymbolTable& cublasSymbols() {
  static SymbolTable table;
  return table;
}

}  // namespace neuronode::cuda

#define FORWARD(result, name, parameters, arguments)                                        \
  NN_FORWARD(neuronode::cuda::cublasSymbols(), CUBLAS_STATUS_NOT_INITIALIZED, result, name, \
             parameters, arguments)

FORWARD(cublasStatus_t, cublasCreate_v2, (cublasHandle_t * handle), (handle))
FORWARD(cublasStatus_t, cublasDestroy_v2, (cublasHandle_t handle), (handle))
FORWARD(cublasStatus_t, cublasSetStream_v2, (cublasHandle_t handle, cudaStream_t streamId),
        (handle, streamId))
FORWARD(cublasStatus_t, cublasSetWorkspace_v2,
        (cublasHandle_t handle, void* workspace, size_t workspaceSizeInBytes),
        (handle, workspace, workspaceSizeInBytes))
FORWARD(cublasStatus_t, cublasSetMathMode, (cublasHandle_t handle, cublasMath_t mode),
        (handle, mode))
FORWARD(cublasStatus_t, cublasGemmEx,
        (cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
         int k, const void* alpha, const void* A, cudaDataType Atype, int lda, const void* B,
         cudaDataType Btype, int ldb, const void* beta, void* C, cudaDataType Ctype, int ldc,
         cublasComputeType_t computeType, cublasGemmAlgo_t algo),
        (handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype, ldc,
         computeType, algo))
NN_FORWARD(neuronode::cuda::cublasSymbols(), "the library is not open", const char*,
           cublasGetStatusName, (cublasStatus_t status), (status))
NN_FORWARD(neuronode::cuda::cublasSymbols(), "the library is not open", const char*,
           cublasGetStatusString, (cublasStatus_t status), (status))
