# Finds NVIDIA's compiler and headers and defines neuronode_cuda_headers, a target that brings the
# headers of CUDA, cuDNN and cudnn-frontend. In this order:
#   1. NEURONODE_CUDA_ROOT, given to CMake or in the environment: an installed toolkit (bin/nvcc,
#      include). cuDNN's headers may lie in its include folder or where the compiler looks anyway;
#   2. what `npm run cuda-toolchain` unpacked into ~/.cache/neuronode/cuda;
#   3. the toolkit of an nvcc on PATH or in /usr/local/cuda.
# Headers that an installed toolkit does not have (cudnn-frontend's, often cuDNN's) come from 2.

if(DEFINED ENV{XDG_CACHE_HOME} AND NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(cuda_wheels "$ENV{XDG_CACHE_HOME}/neuronode/cuda")
else()
  set(cuda_wheels "$ENV{HOME}/.cache/neuronode/cuda")
endif()

set(NEURONODE_CUDA_ROOT "$ENV{NEURONODE_CUDA_ROOT}"
    CACHE PATH "An installed CUDA 13 toolkit; empty: NVIDIA's wheels, or the nvcc on PATH")
if(NEURONODE_CUDA_ROOT)
  set(cuda_root "${NEURONODE_CUDA_ROOT}")
elseif(EXISTS "${cuda_wheels}/nvidia/cu13/bin/nvcc")
  set(cuda_root "${cuda_wheels}/nvidia/cu13")
else()
  find_program(NEURONODE_NVCC nvcc HINTS /usr/local/cuda/bin)
  if(NEURONODE_NVCC)
    get_filename_component(cuda_root "${NEURONODE_NVCC}" REALPATH)
    get_filename_component(cuda_root "${cuda_root}/../.." ABSOLUTE)
  endif()
endif()

foreach(header cuda_runtime_api.h cublasLt.h cudnn.h cudnn_frontend.h)
  string(MAKE_C_IDENTIFIER "NEURONODE_INCLUDE_${header}" variable)
  # Another toolkit than the last time: look again.
  if(NOT "${cuda_root}" STREQUAL "${NEURONODE_CUDA_ROOT_SEARCHED}")
    unset(${variable} CACHE)
  endif()
  find_path(${variable} ${header}
    HINTS "${cuda_root}/include" "${cuda_wheels}/nvidia/cudnn/include" "${cuda_wheels}/include")
  if(NOT ${variable})
    message(FATAL_ERROR
      "The CUDA backend needs ${header}; sought beside ${cuda_root} and in ${cuda_wheels}. "
      "npm run cuda-toolchain fetches NVIDIA's compiler and headers; an installed CUDA 13 toolkit "
      "is taken from -DNEURONODE_CUDA_ROOT=/usr/local/cuda.")
  endif()
  list(APPEND cuda_includes "${${variable}}")
endforeach()
set(NEURONODE_CUDA_ROOT_SEARCHED "${cuda_root}" CACHE INTERNAL "")
list(REMOVE_DUPLICATES cuda_includes)

file(STRINGS "${NEURONODE_INCLUDE_cuda_runtime_api_h}/cuda_runtime_api.h" cuda_version
     REGEX "#define CUDART_VERSION")
if(NOT cuda_version MATCHES "CUDART_VERSION +13")
  message(FATAL_ERROR "The CUDA backend needs CUDA 13; ${cuda_root} has: ${cuda_version}")
endif()

add_library(neuronode_cuda_headers INTERFACE)
target_include_directories(neuronode_cuda_headers SYSTEM INTERFACE ${cuda_includes})
