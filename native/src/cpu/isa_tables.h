// How an ordinary file reaches the kernel tables that its *.simd.cc siblings export.
//
// Policy: NN_ISA_TABLES(Type, name) at the scope of `namespace neuronode` declares
// baseline::name, avx2::name and avx512::name and defines `const Type& name(Isa)` in an unnamed
// namespace. Off x86-64 only the baseline is built and every Isa gives it.
#pragma once

#include "cpu/isa.h"

#if defined(__x86_64__)
#define NN_ISA_TABLES(Type, name) \
  namespace baseline {            \
  extern const Type name;         \
  }                               \
  namespace avx2 {                \
  extern const Type name;         \
  }                               \
  namespace avx512 {              \
  extern const Type name;         \
  }                               \
  namespace {                     \
  const Type& name(Isa isa) {     \
    switch (isa) {                \
      case Isa::Avx512:           \
        return avx512::name;      \
      case Isa::Avx2:             \
        return avx2::name;        \
      case Isa::Baseline:         \
        break;                    \
    }                             \
    return baseline::name;        \
  }                               \
  }
#else
#define NN_ISA_TABLES(Type, name)                  \
  namespace baseline {                             \
  extern const Type name;                          \
  }                                                \
  namespace {                                      \
  const Type& name(Isa) { return baseline::name; } \
  }
#endif
