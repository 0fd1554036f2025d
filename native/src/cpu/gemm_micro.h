// Register-blocked f32 matrix products for the Winograd kernels: a block of rows by one panel of
// kPanel columns, accumulated in registers over the whole inner dimension.
//
// Right-hand panels are packed [inner][kPanel]. Left-hand values are broadcast straight from
// channel-blocked memory, unpacked. Sums run over the inner dimension in ascending order whatever
// the number of rows, so that results do not depend on how rows are grouped.
#pragma once

#include <cstddef>

#include "cpu/convolution/winograd/vector.h"

namespace neuronode::NN_ISA {

// Accumulators, one panel row and one broadcast value fill the registers: 6 x 2 of 16 ymm,
// 12 x 2 of 32 zmm, and 4 x 1 (two xmm each) of 16 xmm for the baseline.
#if defined(__AVX512F__) || defined(NN_WINOGRAD_LANES)
constexpr int kRows = 12;
constexpr int kTransposedRows = 8;  // divides kLanes: more row pointers would not stay in registers
constexpr int kPanelVecs = 2;
#elif defined(__AVX2__)
constexpr int kRows = 6;
constexpr int kTransposedRows = 6;
constexpr int kPanelVecs = 2;
#else
constexpr int kRows = 4;
constexpr int kTransposedRows = 4;
constexpr int kPanelVecs = 1;
#endif
constexpr int kPanel = kPanelVecs * kLanes;

template <int Rows>
NN_INLINE void storeBlock(const Vec (&sum)[Rows][kPanelVecs], float* c, std::ptrdiff_t cStride,
                          bool accumulate) {
  if (accumulate) {
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kPanelVecs; ++v) {
        float* at = c + r * cStride + v * kLanes;
        store(at, load(at) + sum[r][v]);
      }
    }
  } else {
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kPanelVecs; ++v) store(c + r * cStride + v * kLanes, sum[r][v]);
    }
  }
}

// c[r][0..kPanel) (+)= sum over groups g and lanes i of a[g * aGroupStride + r * kLanes + i] *
// b[g * kLanes + i][0..kPanel): the inner dimension is the blocked one.
template <int Rows>
NN_INLINE void multiplyBlock(const float* a, std::ptrdiff_t aGroupStride, int groups,
                             const float* b, float* c, std::ptrdiff_t cStride, bool accumulate) {
  Vec sum[Rows][kPanelVecs] = {};
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) __builtin_prefetch(c + r * cStride, 1);
  for (int g = 0; g < groups; ++g) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      Vec right[kPanelVecs];
#pragma GCC unroll 2
      for (int v = 0; v < kPanelVecs; ++v) right[v] = load(b + i * kPanel + v * kLanes);
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
        const Vec left = splat(a[r * kLanes + i]);
#pragma GCC unroll 2
        for (int v = 0; v < kPanelVecs; ++v) {
          sum[r][v] = multiplyAdd(left, right[v], sum[r][v]);
        }
      }
    }
    a += aGroupStride;
    b += kLanes * kPanel;
  }
  storeBlock(sum, c, cStride, accumulate);
}

// c[r][0..kPanel) (+)= sum over i < inner of row[r][i * kLanes] * b[i][0..kPanel): the rows are the
// blocked dimension, and each may lie in another channel block.
template <int Rows>
NN_INLINE void multiplyTransposedBlock(const float* const (&row)[Rows], int inner, const float* b,
                                       float* c, bool accumulate) {
  Vec sum[Rows][kPanelVecs] = {};
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) __builtin_prefetch(c + r * kPanel, 1);
#pragma GCC unroll 4
  for (std::ptrdiff_t i = 0; i < inner; ++i) {
    Vec right[kPanelVecs];
#pragma GCC unroll 2
    for (int v = 0; v < kPanelVecs; ++v) right[v] = load(b + i * kPanel + v * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const Vec left = splat(row[r][i * kLanes]);
#pragma GCC unroll 2
      for (int v = 0; v < kPanelVecs; ++v) sum[r][v] = multiplyAdd(left, right[v], sum[r][v]);
    }
  }
  storeBlock(sum, c, kPanel, accumulate);
}

}  // namespace neuronode::NN_ISA
