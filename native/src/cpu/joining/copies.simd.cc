// Copies of boxes and borders; see cpu/joining/copies.h.
#include "cpu/joining/copies.h"

#include "cpu/nest_rows.h"

namespace neuronode::NN_ISA {
namespace {

void fill(float* y, int64_t n, float value) {
  parallelPieces(n, [=](int64_t begin, int64_t end) { std::fill(y + begin, y + end, value); });
}

void copy(float* to, const float* from, const Nest<2>& nest) {
  const int64_t toStride = nest.stride[0][nest.axes - 1];
  const int64_t fromStride = nest.stride[1][nest.axes - 1];
  parallelRows(nest, [=](const int64_t(&at)[2], int64_t begin, int64_t end) {
    float* target = to + at[0];
    const float* source = from + at[1];
    if (toStride == 1 && fromStride == 1) {
      std::memcpy(target + begin, source + begin, (end - begin) * sizeof(float));
    } else if (toStride == 1 && fromStride == 0) {
      std::fill(target + begin, target + end, *source);
    } else {
      for (int64_t i = begin; i < end; ++i) target[i * toStride] = source[i * fromStride];
    }
  });
}

void extend(const float* x, float* y, const math::Border& border) {
  const int64_t inner = border.inner, wide = border.wide(), tall = border.tall();
  parallelItems(border.outer * tall, wide * inner, [&, x, y](int64_t item) {
    const int64_t outer = item / tall, i = item - outer * tall;
    const float* source = x + (outer * border.height + border.row(i)) * border.width * inner;
    float* target = y + item * wide * inner;
    const auto copyPixels = [=](int64_t to, int64_t from, int64_t count) {
      std::memcpy(target + to * inner, source + from * inner, count * inner * sizeof(float));
    };
    for (int64_t j = 0; j < border.left; ++j) copyPixels(j, border.column(j), 1);
    copyPixels(border.left, 0, border.width);
    for (int64_t j = border.left + border.width; j < wide; ++j) copyPixels(j, border.column(j), 1);
  });
}

void extendGrad(const float* gy, float* gx, const math::Border& border) {
  const int64_t inner = border.inner, wide = border.wide(), tall = border.tall();
  parallelItems(border.outer * border.height, 2 * wide * inner, [&, gy, gx](int64_t item) {
    const int64_t outer = item / border.height, i = item - outer * border.height;
    float* target = gx + item * border.width * inner;
    std::fill(target, target + border.width * inner, 0.0f);
    const auto addPixels = [=](int64_t to, const float* source, int64_t count) {
      float* sum = target + to * inner;
#pragma omp simd
      for (int64_t k = 0; k < count * inner; ++k) sum[k] += source[k];
    };
    math::forCopies(border.mode, i, border.height, border.top, border.bottom, [&](int64_t copy) {
      const float* source = gy + (outer * tall + copy + border.top) * wide * inner;
      for (int64_t j = 0; j < border.left; ++j) {
        addPixels(border.column(j), source + j * inner, 1);
      }
      addPixels(0, source + border.left * inner, border.width);
      for (int64_t j = border.left + border.width; j < wide; ++j) {
        addPixels(border.column(j), source + j * inner, 1);
      }
    });
  });
}

}  // namespace

extern const CopyKernels copyTable;
const CopyKernels copyTable = {fill, copy, extend, extendGrad};

}  // namespace neuronode::NN_ISA
