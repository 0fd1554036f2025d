// Filter transforms of the Winograd kernels: plain OIHW weights into panels, and filter gradients
// from panels back. Scalar copies turn kPanel filters into vectors across them; they are few beside
// the products.
#pragma once

#include "cpu/convolution/winograd/table.h"
#include "cpu/convolution/winograd/transforms.h"
#include "cpu/gemm_micro.h"

namespace neuronode::NN_ISA {

template <int Taps>
void transformFilterTaps(const float* w, const WinogradFilter& filter, int panel, int first,
                         int count, float* u, std::ptrdiff_t positionStride) {
  constexpr int kSize = Taps * Taps;
  const int output = panel * kPanel;
  const int columns = filter.outputs - output < kPanel ? filter.outputs - output : kPanel;
  alignas(64) float taps[kSize][kPanel] = {};
  for (int r = first; r < first + count; ++r, u += kPanel) {
    if (r >= filter.reductions) {
      for (int p = 0; p < kPositions; ++p) {
        for (int v = 0; v < kPanelVecs; ++v) store(u + p * positionStride + v * kLanes, Vec{});
      }
      continue;
    }
    for (int o = 0; o < columns; ++o) {
      const float* from = w + (output + o) * filter.outputStride + r * filter.reductionStride;
      if (filter.turned) {
        for (int i = 0; i < kSize; ++i) taps[i][o] = from[kSize - 1 - i];
      } else {
        for (int i = 0; i < kSize; ++i) taps[i][o] = from[i];
      }
    }
    for (int v = 0; v < kPanelVecs; ++v) {
      Vec half[kPoints][Taps];
#pragma GCC unroll 5
      for (int j = 0; j < Taps; ++j) {
        Vec values[Taps], points[kPoints];
#pragma GCC unroll 5
        for (int i = 0; i < Taps; ++i) values[i] = load(taps[i * Taps + j] + v * kLanes);
        filterPoints(values, points);
#pragma GCC unroll 6
        for (int i = 0; i < kPoints; ++i) half[i][j] = points[i];
      }
#pragma GCC unroll 6
      for (int i = 0; i < kPoints; ++i) {
        Vec points[kPoints];
        filterPoints(half[i], points);
#pragma GCC unroll 6
        for (int j = 0; j < kPoints; ++j) {
          store(u + (i * kPoints + j) * positionStride + v * kLanes, points[j]);
        }
      }
    }
  }
}

template <int Taps>
void collectFilterGradientTaps(const float* du, std::ptrdiff_t positionStride,
                               const WinogradFilter& filter, int panel, int first, int count,
                               float* gw) {
  constexpr int kSize = Taps * Taps;
  const int output = panel * kPanel;
  const int columns = filter.outputs - output < kPanel ? filter.outputs - output : kPanel;
  const int end = first + count < filter.reductions ? first + count : filter.reductions;
  alignas(64) float taps[kSize][kPanel];
  for (int r = first; r < end; ++r, du += kPanel) {
    for (int v = 0; v < kPanelVecs; ++v) {
      Vec half[Taps][kPoints];
#pragma GCC unroll 6
      for (int j = 0; j < kPoints; ++j) {
        Vec points[kPoints], values[Taps];
#pragma GCC unroll 6
        for (int i = 0; i < kPoints; ++i) {
          points[i] = load(du + (i * kPoints + j) * positionStride + v * kLanes);
        }
        filterValues(points, values);
#pragma GCC unroll 5
        for (int i = 0; i < Taps; ++i) half[i][j] = values[i];
      }
#pragma GCC unroll 5
      for (int i = 0; i < Taps; ++i) {
        Vec values[Taps];
        filterValues(half[i], values);
#pragma GCC unroll 5
        for (int j = 0; j < Taps; ++j) store(taps[i * Taps + j] + v * kLanes, values[j]);
      }
    }
    for (int o = 0; o < columns; ++o) {
      float* to = gw + (output + o) * filter.outputStride + r * filter.reductionStride;
      for (int i = 0; i < kSize; ++i) to[i] = taps[i][o];
    }
  }
}

inline void transformFilter(const float* w, const WinogradFilter& filter, int panel, int first,
                            int count, float* u, std::ptrdiff_t positionStride) {
  if (filter.taps == 3) {
    transformFilterTaps<3>(w, filter, panel, first, count, u, positionStride);
  } else {
    transformFilterTaps<5>(w, filter, panel, first, count, u, positionStride);
  }
}

inline void collectFilterGradient(const float* du, std::ptrdiff_t positionStride,
                                  const WinogradFilter& filter, int panel, int first, int count,
                                  float* gw) {
  if (filter.taps == 3) {
    collectFilterGradientTaps<3>(du, positionStride, filter, panel, first, count, gw);
  } else {
    collectFilterGradientTaps<5>(du, positionStride, filter, panel, first, count, gw);
  }
}

}  // namespace neuronode::NN_ISA
