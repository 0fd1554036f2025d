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
#if defined(__CUDA_ARCH__)
#define NN_UNROLL _Pragma("unroll")
#elif defined(__CUDACC__)
// nvcc's pass for the host: its compiler knows the pragma by another name, nvcc none but its own.
#define NN_UNROLL
#elif defined(__GNUC__)
#define NN_UNROLL _Pragma("GCC unroll 16")
#else
#define NN_UNROLL
#endif

// In front of a loop whose copies would only cost registers.
#if defined(__CUDA_ARCH__)
#define NN_NO_UNROLL _Pragma("unroll 1")
#else
#define NN_NO_UNROLL
#endif
