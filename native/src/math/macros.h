// NN_HD marks the arithmetic that is written once and compiled for CPU loops and for CUDA kernels.
//
// Policy: on the host such a function is always inlined. An out-of-line copy would be one symbol
// shared by objects compiled for different instruction sets, of which the linker keeps any.
// GPUs contract a * b + c to one rounding, the CPU's loops do not: their results agree to the last
// bit or two of f32, not in every bit.
#pragma once

#if defined(__CUDACC__)
#define NN_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define NN_HD [[gnu::always_inline]] inline
#else
#define NN_HD inline
#endif

// In front of a loop with a small constant trip count: keeps what it indexes in registers.
#if defined(__CUDACC__)
#define NN_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define NN_UNROLL _Pragma("GCC unroll 16")
#else
#define NN_UNROLL
#endif
