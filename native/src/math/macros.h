// NN_HD marks the arithmetic that is written once and compiled for CPU loops and for CUDA kernels.
//
// Policy: on the host such a function is always inlined. An out-of-line copy would be one symbol
// shared by objects compiled for different instruction sets, of which the linker keeps any.
#pragma once

#if defined(__CUDACC__)
#define NN_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define NN_HD [[gnu::always_inline]] inline
#else
#define NN_HD inline
#endif
