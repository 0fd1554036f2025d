// Matrix products for the emulated libraries.
#pragma once

#include <cstdint>

namespace neuronode::cuda::emulation {

// A matrix in memory: element (i, j) is at [i * rowStride + j * columnStride].
struct MatrixView {
  const float* at;
  int64_t rowStride, columnStride;
  const uint16_t* bf16 = nullptr;  // its elements, where they are not floats
};

// c[i * ldc + j] = sum over k of a(i, k) * b(k, j), row-major, overwritten. Sums of 256 products in
// f32, sums of those in f64. With `tf32` the operands are rounded to 10 bits of mantissa first.
void gemm(int64_t rows, int64_t columns, int64_t inner, MatrixView a, MatrixView b, float* c,
          int64_t ldc, bool tf32 = false);

// To nearest, ties away from zero, as the hardware's conversion does.
float roundToTf32(float value);
float bf16ToFloat(uint16_t bits);
uint16_t floatToBf16(float value);

}  // namespace neuronode::cuda::emulation
