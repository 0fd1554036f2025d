// One-dimensional Winograd transforms on the points 0, 1, -1, 2, -2 and infinity, on vectors.
//
// F(4, 3) and F(2, 5) share the six points, hence the input transform; with N(x) the product of
// (x - y) over the other finite points y:
//   B^T: 6 inputs to 6 points (inputPoints)
//   G:   row x is [1, x, x^2, ...] / N(x), the last row picks the last tap (filterPoints)
//   A^T: row i is x^i over the finite points, infinity enters the last row (outputValues)
// Gradients use the transposes of A^T and G (outputPoints, filterValues).
#pragma once

#include "cpu/convolution/winograd/vector.h"

namespace neuronode::NN_ISA {

constexpr int kPoints = 6;
constexpr int kPositions = kPoints * kPoints;

NN_INLINE void inputPoints(const Vec (&d)[kPoints], Vec (&o)[kPoints]) {
  const Vec four = splat(4), minusFour = splat(-4), minusFive = splat(-5), two = splat(2);
  const Vec even1 = multiplyAdd(minusFour, d[2], d[4]);
  const Vec odd1 = multiplyAdd(minusFour, d[1], d[3]);
  const Vec even2 = d[4] - d[2];
  const Vec odd2 = two * (d[3] - d[1]);
  o[0] = multiplyAdd(four, d[0], multiplyAdd(minusFive, d[2], d[4]));
  o[1] = even1 + odd1;
  o[2] = even1 - odd1;
  o[3] = even2 + odd2;
  o[4] = even2 - odd2;
  o[5] = multiplyAdd(four, d[1], multiplyAdd(minusFive, d[3], d[5]));
}

template <int Taps>
NN_INLINE void filterPoints(const Vec (&g)[Taps], Vec (&o)[kPoints]) {
  static_assert(Taps == 3 || Taps == 5);
  Vec even1 = g[0] + g[2], odd1 = g[1];
  Vec even2 = multiplyAdd(splat(4), g[2], g[0]), odd2 = splat(2) * g[1];
  if constexpr (Taps == 5) {
    even1 = even1 + g[4];
    odd1 = odd1 + g[3];
    even2 = multiplyAdd(splat(16), g[4], even2);
    odd2 = multiplyAdd(splat(8), g[3], odd2);
  }
  const Vec scale1 = splat(-1.0f / 6), scale2 = splat(1.0f / 24);
  o[0] = splat(0.25f) * g[0];
  o[1] = scale1 * (even1 + odd1);
  o[2] = scale1 * (even1 - odd1);
  o[3] = scale2 * (even2 + odd2);
  o[4] = scale2 * (even2 - odd2);
  o[5] = g[Taps - 1];
}

template <int Taps>
NN_INLINE void filterValues(const Vec (&u)[kPoints], Vec (&g)[Taps]) {
  static_assert(Taps == 3 || Taps == 5);
  const Vec scale1 = splat(1.0f / 6), scale2 = splat(1.0f / 24);
  const Vec even1 = -scale1 * (u[1] + u[2]), odd1 = scale1 * (u[2] - u[1]);
  const Vec even2 = scale2 * (u[3] + u[4]), odd2 = scale2 * (u[3] - u[4]);
  g[0] = multiplyAdd(splat(0.25f), u[0], even1 + even2);
  g[1] = multiplyAdd(splat(2), odd2, odd1);
  g[2] = multiplyAdd(splat(4), even2, even1);
  if constexpr (Taps == 5) {
    g[3] = multiplyAdd(splat(8), odd2, odd1);
    g[4] = multiplyAdd(splat(16), even2, even1);
  }
  g[Taps - 1] = g[Taps - 1] + u[5];
}

// Tile is the number of outputs: 4 for 3 taps, 2 for 5.
template <int Tile>
NN_INLINE void outputValues(const Vec (&m)[kPoints], Vec (&y)[Tile]) {
  static_assert(Tile == 2 || Tile == 4);
  const Vec even1 = m[1] + m[2], odd1 = m[1] - m[2];
  const Vec even2 = m[3] + m[4], odd2 = m[3] - m[4];
  y[0] = m[0] + even1 + even2;
  y[1] = multiplyAdd(splat(2), odd2, odd1);
  if constexpr (Tile == 4) {
    y[2] = multiplyAdd(splat(4), even2, even1);
    y[3] = multiplyAdd(splat(8), odd2, odd1);
  }
  y[Tile - 1] = y[Tile - 1] + m[5];
}

template <int Tile>
NN_INLINE void outputPoints(const Vec (&y)[Tile], Vec (&o)[kPoints]) {
  static_assert(Tile == 2 || Tile == 4);
  Vec even1 = y[0], odd1 = y[1], even2 = y[0], odd2 = splat(2) * y[1];
  if constexpr (Tile == 4) {
    even1 = even1 + y[2];
    odd1 = odd1 + y[3];
    even2 = multiplyAdd(splat(4), y[2], even2);
    odd2 = multiplyAdd(splat(8), y[3], odd2);
  }
  o[0] = y[0];
  o[1] = even1 + odd1;
  o[2] = even1 - odd1;
  o[3] = even2 + odd2;
  o[4] = even2 - odd2;
  o[5] = y[Tile - 1];
}

}  // namespace neuronode::NN_ISA
