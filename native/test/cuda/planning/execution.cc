// Stands between this program and three functions of the library: one notes the variant pack on its
// way, and the two that would want a device do nothing.
#include "execution.h"

#include <dlfcn.h>

#include <stdexcept>
#include <vector>

namespace {

struct VariantPack {
  std::vector<int64_t> uids;
  std::vector<void*> pointers;
  void* workspace = nullptr;
};
VariantPack noted;
int executions = 0;

template <class T>
std::vector<T> copied(const void* values, int64_t count) {
  return {static_cast<const T*>(values), static_cast<const T*>(values) + count};
}

}  // namespace

extern "C" cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                                  cudnnBackendAttributeName_t name,
                                                  cudnnBackendAttributeType_t type, int64_t count,
                                                  const void* values) {
  if (name == CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS) noted.uids = copied<int64_t>(values, count);
  if (name == CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS) noted.pointers = copied<void*>(values, count);
  if (name == CUDNN_ATTR_VARIANT_PACK_WORKSPACE) noted.workspace = copied<void*>(values, count)[0];
  static const auto real =
      reinterpret_cast<decltype(&cudnnBackendSetAttribute)>(dlsym(RTLD_NEXT, __func__));
  return real(descriptor, name, type, count, values);
}

extern "C" cudnnStatus_t cudnnGetStream(cudnnHandle_t, cudaStream_t* stream) {
  *stream = nullptr;
  return CUDNN_STATUS_SUCCESS;
}

extern "C" cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t,
                                             cudnnBackendDescriptor_t) {
  ++executions;
  return CUDNN_STATUS_SUCCESS;
}

namespace neuronode::cuda::planning {

Execution execute(const CudnnGraph& graph, const ConvPointers& pointers, void* workspace) {
  noted = {};
  executions = 0;
  graph.execute(nullptr, pointers, workspace);
  if (executions != 1 || noted.uids.size() != noted.pointers.size()) {
    throw std::runtime_error("the library was not asked to execute one whole variant pack");
  }
  Execution execution{{}, noted.workspace};
  for (size_t i = 0; i < noted.uids.size(); ++i) {
    execution.tensors[noted.uids[i]] = noted.pointers[i];
  }
  return execution;
}

}  // namespace neuronode::cuda::planning
