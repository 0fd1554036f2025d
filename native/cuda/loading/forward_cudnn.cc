// cuDNN's functions, forwarded: the backend descriptors that cudnn-frontend builds graphs with, and
// the older calls for pooling. See symbols.h.
#include <cudnn.h>

#include "loading/symbols.h"

namespace neuronode::cuda {

SymbolTable& cudnnSymbols() {
  static SymbolTable table;
  return table;
}

}  // namespace neuronode::cuda

// cuDNN marks its older calls as deprecated and still ships them.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define FORWARD(result, name, parameters, arguments)                                      \
  NN_FORWARD(neuronode::cuda::cudnnSymbols(), CUDNN_STATUS_NOT_INITIALIZED, result, name, \
             parameters, arguments)

FORWARD(cudnnStatus_t, cudnnCreate, (cudnnHandle_t * handle), (handle))
FORWARD(cudnnStatus_t, cudnnDestroy, (cudnnHandle_t handle), (handle))
FORWARD(cudnnStatus_t, cudnnSetStream, (cudnnHandle_t handle, cudaStream_t streamId),
        (handle, streamId))
FORWARD(cudnnStatus_t, cudnnGetStream, (cudnnHandle_t handle, cudaStream_t* streamId),
        (handle, streamId))
NN_FORWARD(neuronode::cuda::cudnnSymbols(), 0, size_t, cudnnGetVersion, (), ())
NN_FORWARD(neuronode::cuda::cudnnSymbols(), "the library is not open", const char*,
           cudnnGetErrorString, (cudnnStatus_t status), (status))
NN_FORWARD(neuronode::cuda::cudnnSymbols(), max_size > 0 ? void(*message = '\0') : void(), void,
           cudnnGetLastErrorString, (char* message, size_t max_size), (message, max_size))
FORWARD(cudnnStatus_t, cudnnBackendCreateDescriptor,
        (cudnnBackendDescriptorType_t descriptorType, cudnnBackendDescriptor_t* descriptor),
        (descriptorType, descriptor))
FORWARD(cudnnStatus_t, cudnnBackendDestroyDescriptor, (cudnnBackendDescriptor_t descriptor),
        (descriptor))
FORWARD(cudnnStatus_t, cudnnBackendExecute,
        (cudnnHandle_t handle, cudnnBackendDescriptor_t executionPlan,
         cudnnBackendDescriptor_t variantPack),
        (handle, executionPlan, variantPack))
FORWARD(cudnnStatus_t, cudnnBackendFinalize, (cudnnBackendDescriptor_t descriptor), (descriptor))
FORWARD(cudnnStatus_t, cudnnBackendGetAttribute,
        (cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t attributeName,
         cudnnBackendAttributeType_t attributeType, int64_t requestedElementCount,
         int64_t* elementCount, void* arrayOfElements),
        (descriptor, attributeName, attributeType, requestedElementCount, elementCount,
         arrayOfElements))
FORWARD(cudnnStatus_t, cudnnBackendSetAttribute,
        (cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t attributeName,
         cudnnBackendAttributeType_t attributeType, int64_t elementCount,
         const void* arrayOfElements),
        (descriptor, attributeName, attributeType, elementCount, arrayOfElements))
FORWARD(cudnnStatus_t, cudnnCreateTensorDescriptor, (cudnnTensorDescriptor_t * tensorDesc),
        (tensorDesc))
FORWARD(cudnnStatus_t, cudnnDestroyTensorDescriptor, (cudnnTensorDescriptor_t tensorDesc),
        (tensorDesc))
FORWARD(cudnnStatus_t, cudnnSetTensor4dDescriptor,
        (cudnnTensorDescriptor_t tensorDesc, cudnnTensorFormat_t format, cudnnDataType_t dataType,
         int n, int c, int h, int w),
        (tensorDesc, format, dataType, n, c, h, w))
FORWARD(cudnnStatus_t, cudnnCreatePoolingDescriptor, (cudnnPoolingDescriptor_t * poolingDesc),
        (poolingDesc))
FORWARD(cudnnStatus_t, cudnnDestroyPoolingDescriptor, (cudnnPoolingDescriptor_t poolingDesc),
        (poolingDesc))
FORWARD(cudnnStatus_t, cudnnSetPooling2dDescriptor,
        (cudnnPoolingDescriptor_t poolingDesc, cudnnPoolingMode_t mode,
         cudnnNanPropagation_t maxpoolingNanOpt, int windowHeight, int windowWidth,
         int verticalPadding, int horizontalPadding, int verticalStride, int horizontalStride),
        (poolingDesc, mode, maxpoolingNanOpt, windowHeight, windowWidth, verticalPadding,
         horizontalPadding, verticalStride, horizontalStride))
FORWARD(cudnnStatus_t, cudnnGetPooling2dForwardOutputDim,
        (const cudnnPoolingDescriptor_t poolingDesc, const cudnnTensorDescriptor_t inputTensorDesc,
         int* n, int* c, int* h, int* w),
        (poolingDesc, inputTensorDesc, n, c, h, w))
FORWARD(cudnnStatus_t, cudnnPoolingForward,
        (cudnnHandle_t handle, const cudnnPoolingDescriptor_t poolingDesc, const void* alpha,
         const cudnnTensorDescriptor_t xDesc, const void* x, const void* beta,
         const cudnnTensorDescriptor_t yDesc, void* y),
        (handle, poolingDesc, alpha, xDesc, x, beta, yDesc, y))
FORWARD(cudnnStatus_t, cudnnPoolingBackward,
        (cudnnHandle_t handle, const cudnnPoolingDescriptor_t poolingDesc, const void* alpha,
         const cudnnTensorDescriptor_t yDesc, const void* y, const cudnnTensorDescriptor_t dyDesc,
         const void* dy, const cudnnTensorDescriptor_t xDesc, const void* x, const void* beta,
         const cudnnTensorDescriptor_t dxDesc, void* dx),
        (handle, poolingDesc, alpha, yDesc, y, dyDesc, dy, xDesc, x, beta, dxDesc, dx))
