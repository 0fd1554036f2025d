#include "gemm.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace neuronode::cuda::emulation {
namespace {

constexpr int64_t kInner = 256;  // products to a partial sum
constexpr int64_t kRows = 4;     // of a register block
constexpr int64_t kColumns = 32;
constexpr int64_t kPanel = 512;  // columns of b that are packed at once

using Block = float[kRows][kColumns];

// a: [inner][kRows], b: [inner][kColumns].
template <class Multiply>
inline __attribute__((always_inline)) void multiplyBlock(int64_t inner, const float* a,
                                                         const float* b, Block& out,
                                                         Multiply multiply) {
  float sum[kRows][kColumns] = {};
  for (int64_t k = 0; k < inner; ++k) {
    for (int64_t i = 0; i < kRows; ++i) {
      for (int64_t j = 0; j < kColumns; ++j) {
        sum[i][j] = multiply(a[k * kRows + i], b[k * kColumns + j], sum[i][j]);
      }
    }
  }
  std::copy(&sum[0][0], &sum[0][0] + kRows * kColumns, &out[0][0]);
}

#if defined(__x86_64__)
__attribute__((target("avx512f,fma,prefer-vector-width=512"))) void multiplyAvx512(int64_t inner,
                                                                                   const float* a,
                                                                                   const float* b,
                                                                                   Block& out) {
  multiplyBlock(inner, a, b, out,
                [](float x, float y, float z) { return __builtin_fmaf(x, y, z); });
}
__attribute__((target("avx2,fma"))) void multiplyAvx2(int64_t inner, const float* a, const float* b,
                                                      Block& out) {
  multiplyBlock(inner, a, b, out,
                [](float x, float y, float z) { return __builtin_fmaf(x, y, z); });
}
#endif
void multiplyPlain(int64_t inner, const float* a, const float* b, Block& out) {
  multiplyBlock(inner, a, b, out, [](float x, float y, float z) { return x * y + z; });
}

using MultiplyFunction = void (*)(int64_t, const float*, const float*, Block&);

MultiplyFunction bestMultiply() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return multiplyAvx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return multiplyAvx2;
#endif
  return multiplyPlain;
}

// Panels of `width` rows of (outer, inner), each [inner][width], zero beyond the end.
template <class Load>
void packBy(const Load& load, const MatrixView& from, int64_t begin, int64_t end,
            int64_t innerBegin, int64_t innerEnd, int64_t width, float* to) {
  const int64_t inner = innerEnd - innerBegin;
  for (int64_t first = begin; first < end; first += width) {
    const int64_t count = std::min(width, end - first);
    if (count < width) std::fill(to, to + inner * width, 0.0F);
    const int64_t source = first * from.rowStride + innerBegin * from.columnStride;
    if (from.columnStride == 1) {
      for (int64_t i = 0; i < count; ++i) {
        for (int64_t k = 0; k < inner; ++k)
          to[k * width + i] = load(source + i * from.rowStride + k);
      }
    } else {
      for (int64_t k = 0; k < inner; ++k) {
        const int64_t row = source + k * from.columnStride;
        for (int64_t i = 0; i < count; ++i) to[k * width + i] = load(row + i * from.rowStride);
      }
    }
    to += inner * width;
  }
}

void pack(const MatrixView& from, int64_t begin, int64_t end, int64_t innerBegin, int64_t innerEnd,
          int64_t width, bool tf32, float* to) {
  const auto by = [&](const auto& load) {
    packBy(load, from, begin, end, innerBegin, innerEnd, width, to);
  };
  if (from.bf16) {
    by([bits = from.bf16](int64_t i) { return bf16ToFloat(bits[i]); });
  } else if (tf32) {
    by([floats = from.at](int64_t i) { return roundToTf32(floats[i]); });
  } else {
    by([floats = from.at](int64_t i) { return floats[i]; });
  }
}

}  // namespace

float roundToTf32(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7F800000) == 0x7F800000) return value;
  return std::bit_cast<float>((bits + 0x1000) & ~uint32_t{0x1FFF});
}

float bf16ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t floatToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

void gemm(int64_t rows, int64_t columns, int64_t inner, MatrixView a, MatrixView b, float* c,
          int64_t ldc, bool tf32) {
  static const MultiplyFunction multiply = bestMultiply();
  if (inner == 0) {
    for (int64_t i = 0; i < rows; ++i) std::fill_n(c + i * ldc, columns, 0.0F);
    return;
  }
  const MatrixView bTransposed{b.at, b.columnStride, b.rowStride, b.bf16};
  const int64_t paddedRows = (rows + kRows - 1) / kRows * kRows;
  // Kept from call to call: work that faults is left by a jump, which would lose them.
  static thread_local std::vector<float> packedA, packedB;
  static thread_local std::vector<double> sums;
  for (int64_t firstColumn = 0; firstColumn < columns; firstColumn += kPanel) {
    const int64_t endColumn = std::min(columns, firstColumn + kPanel);
    const int64_t width = (endColumn - firstColumn + kColumns - 1) / kColumns * kColumns;
    sums.assign(paddedRows * width, 0.0);
    for (int64_t k = 0; k < inner; k += kInner) {
      const int64_t endInner = std::min(inner, k + kInner), depth = endInner - k;
      packedB.resize(width * depth);
      packedA.resize(paddedRows * depth);
      pack(bTransposed, firstColumn, endColumn, k, endInner, kColumns, tf32, packedB.data());
      pack(a, 0, rows, k, endInner, kRows, tf32, packedA.data());
      for (int64_t i = 0; i < paddedRows; i += kRows) {
        for (int64_t j = 0; j < width; j += kColumns) {
          Block block;
          multiply(depth, packedA.data() + i * depth, packedB.data() + j * depth, block);
          for (int64_t y = 0; y < kRows; ++y) {
            double* sum = sums.data() + (i + y) * width + j;
            for (int64_t x = 0; x < kColumns; ++x) sum[x] += block[y][x];
          }
        }
      }
    }
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = firstColumn; j < endColumn; ++j) {
        c[i * ldc + j] = static_cast<float>(sums[i * width + j - firstColumn]);
      }
    }
  }
}

}  // namespace neuronode::cuda::emulation
