// cuBLASLt's functions, forwarded. See symbols.h.
#include <cublasLt.h>

#include "loading/symbols.h"

namespace neuronode::cuda {

SymbolTable& cublasLtSymbols() {
  static SymbolTable table;
  return table;
}

}  // namespace neuronode::cuda

#define FORWARD(result, name, parameters, arguments)                                          \
  NN_FORWARD(neuronode::cuda::cublasLtSymbols(), CUBLAS_STATUS_NOT_INITIALIZED, result, name, \
             parameters, arguments)

FORWARD(cublasStatus_t, cublasLtCreate, (cublasLtHandle_t * lightHandle), (lightHandle))
FORWARD(cublasStatus_t, cublasLtDestroy, (cublasLtHandle_t lightHandle), (lightHandle))
FORWARD(cublasStatus_t, cublasLtMatmul,
        (cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t computeDesc, const void* alpha,
         const void* A, cublasLtMatrixLayout_t Adesc, const void* B, cublasLtMatrixLayout_t Bdesc,
         const void* beta, const void* C, cublasLtMatrixLayout_t Cdesc, void* D,
         cublasLtMatrixLayout_t Ddesc, const cublasLtMatmulAlgo_t* algo, void* workspace,
         size_t workspaceSizeInBytes, cudaStream_t stream),
        (lightHandle, computeDesc, alpha, A, Adesc, B, Bdesc, beta, C, Cdesc, D, Ddesc, algo,
         workspace, workspaceSizeInBytes, stream))
FORWARD(cublasStatus_t, cublasLtMatmulDescCreate,
        (cublasLtMatmulDesc_t * matmulDesc, cublasComputeType_t computeType,
         cudaDataType_t scaleType),
        (matmulDesc, computeType, scaleType))
FORWARD(cublasStatus_t, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t matmulDesc), (matmulDesc))
FORWARD(cublasStatus_t, cublasLtMatmulDescSetAttribute,
        (cublasLtMatmulDesc_t matmulDesc, cublasLtMatmulDescAttributes_t attr, const void* buf,
         size_t sizeInBytes),
        (matmulDesc, attr, buf, sizeInBytes))
FORWARD(cublasStatus_t, cublasLtMatrixLayoutCreate,
        (cublasLtMatrixLayout_t * matLayout, cudaDataType type, uint64_t rows, uint64_t cols,
         int64_t ld),
        (matLayout, type, rows, cols, ld))
FORWARD(cublasStatus_t, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t matLayout),
        (matLayout))
FORWARD(cublasStatus_t, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t * pref), (pref))
FORWARD(cublasStatus_t, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t pref), (pref))
FORWARD(cublasStatus_t, cublasLtMatmulPreferenceSetAttribute,
        (cublasLtMatmulPreference_t pref, cublasLtMatmulPreferenceAttributes_t attr,
         const void* buf, size_t sizeInBytes),
        (pref, attr, buf, sizeInBytes))
FORWARD(cublasStatus_t, cublasLtMatmulAlgoGetHeuristic,
        (cublasLtHandle_t lightHandle, cublasLtMatmulDesc_t operationDesc,
         cublasLtMatrixLayout_t Adesc, cublasLtMatrixLayout_t Bdesc, cublasLtMatrixLayout_t Cdesc,
         cublasLtMatrixLayout_t Ddesc, cublasLtMatmulPreference_t preference,
         int requestedAlgoCount, cublasLtMatmulHeuristicResult_t heuristicResultsArray[],
         int* returnAlgoCount),
        (lightHandle, operationDesc, Adesc, Bdesc, Cdesc, Ddesc, preference, requestedAlgoCount,
         heuristicResultsArray, returnAlgoCount))
