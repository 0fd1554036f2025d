#include "cpu/convolution/depthwise.h"

#include "cpu/convolution/winograd/vector.h"

namespace neuronode::NN_ISA {

namespace {

// Positions side by side whose sums stay in registers.
#if defined(__AVX512F__)
constexpr int kTile = 8;
#elif defined(__AVX2__)
constexpr int kTile = 4;
#else
constexpr int kTile = 2;
#endif

// Taps is the number of taps in a row where those lie on neighbouring pixels, and Step the pixels
// between positions, where known at compile time, which lets positions share what they load; or 0.
template <int Tile, int Taps, int Step>
NN_INLINE void sumTile(const DepthwiseBox& box, const DepthwiseSums& s, const float* from,
                       int64_t at) {
  const int64_t columnTaps = Taps != 0 ? Taps : box.columnTaps;
  const int64_t fromTap = Taps != 0 ? kLanes : box.fromColumn;
  const int64_t step = Step != 0 ? Step * kLanes : box.loops[2].from;
  Vec sum[Tile];
#pragma GCC unroll 8
  for (int i = 0; i < Tile; ++i) sum[i] = load(s.bias);
  for (int64_t r = 0; r < box.rowTaps; ++r) {
    const float* fromRow = from + r * box.fromRow;
    const float* w = s.w + box.w + r * box.wRow;
#pragma GCC unroll 5
    for (int64_t c = 0; c < columnTaps; ++c) {
      const Vec weight = load(w + c * box.wColumn);
#pragma GCC unroll 8
      for (int i = 0; i < Tile; ++i) {
        sum[i] = multiplyAdd(load(fromRow + c * fromTap + i * step), weight, sum[i]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < Tile; ++i) {
    const int64_t here = at + i * box.loops[2].to;
    Vec value = sum[i];
    if (s.relu) value = value <= Vec{} ? Vec{} : value;  // NaN stays
    if (s.mask != nullptr) value = load(s.mask + here) <= Vec{} ? Vec{} : value;
    store(s.to + here, value);
  }
}

template <int Tile, int Taps, int Step>
NN_INLINE void sumTiles(const DepthwiseBox& box, const DepthwiseSums& s, const float* from,
                        int64_t at, int64_t i) {
  const DepthwiseLoop& loop = box.loops[2];
  for (; i + Tile <= loop.count; i += Tile) {
    sumTile<Tile, Taps, Step>(box, s, from + i * loop.from, at + i * loop.to);
  }
  if constexpr (Tile > 1) sumTiles<Tile / 2, Taps, Step>(box, s, from, at, i);
}

template <int Taps, int Step>
void sumPositions(const DepthwiseBox& box, const DepthwiseSums& s) {
  const DepthwiseLoop &outer = box.loops[0], &middle = box.loops[1];
  for (int64_t o = 0; o < outer.count; ++o) {
    for (int64_t m = 0; m < middle.count; ++m) {
      sumTiles<kTile, Taps, Step>(box, s, s.from + box.from + o * outer.from + m * middle.from,
                                  box.to + o * outer.to + m * middle.to, 0);
    }
  }
}

template <int Taps>
void sumTaps(const DepthwiseBox& box, const DepthwiseSums& s) {
  if (box.loops[2].from == kLanes) return sumPositions<Taps, 1>(box, s);
  if (box.loops[2].from == 2 * kLanes) return sumPositions<Taps, 2>(box, s);
  sumPositions<0, 0>(box, s);
}

void sum(const DepthwiseBox& box, const DepthwiseSums& s) {
  if (box.columnTaps == 3 && box.fromColumn == kLanes) return sumTaps<3>(box, s);
  if (box.columnTaps == 5 && box.fromColumn == kLanes) return sumTaps<5>(box, s);
  sumTaps<0>(box, s);
}

// Taps at a time along either axis: nine sums hide the latency of an addition.
constexpr int kTaps = 3;

// Rows x Columns taps from (firstRow, firstColumn) on.
template <int Rows, int Columns>
NN_INLINE void addSome(const DepthwiseBox& box, const float* from, const float* gradients,
                       float* sums, int64_t firstRow, int64_t firstColumn) {
  const DepthwiseLoop &outer = box.loops[0], &middle = box.loops[1], &inner = box.loops[2];
  from += box.from + firstRow * box.fromRow + firstColumn * box.fromColumn;
  Vec sum[Rows][Columns] = {};
  for (int64_t o = 0; o < outer.count; ++o) {
    for (int64_t m = 0; m < middle.count; ++m) {
      const float* x = from + o * outer.from + m * middle.from;
      const float* gy = gradients + box.to + o * outer.to + m * middle.to;
      for (int64_t i = 0; i < inner.count; ++i) {
        const Vec grad = load(gy);
#pragma GCC unroll 3
        for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 3
          for (int c = 0; c < Columns; ++c) {
            const Vec value = load(x + r * box.fromRow + c * box.fromColumn);
            sum[r][c] = multiplyAdd(value, grad, sum[r][c]);
          }
        }
        x += inner.from;
        gy += inner.to;
      }
    }
  }
#pragma GCC unroll 3
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 3
    for (int c = 0; c < Columns; ++c) {
      float* at = sums + box.w + (firstRow + r) * box.wRow + (firstColumn + c) * box.wColumn;
      store(at, load(at) + sum[r][c]);
    }
  }
}

template <int Rows, int Columns = kTaps>
void addColumns(const DepthwiseBox& box, const float* x, const float* gy, float* sums,
                int64_t firstRow, int64_t column = 0) {
  for (; column + Columns <= box.columnTaps; column += Columns) {
    addSome<Rows, Columns>(box, x, gy, sums, firstRow, column);
  }
  if constexpr (Columns > 1) addColumns<Rows, Columns - 1>(box, x, gy, sums, firstRow, column);
}

template <int Rows = kTaps>
void addRows(const DepthwiseBox& box, const float* x, const float* gy, float* sums,
             int64_t row = 0) {
  for (; row + Rows <= box.rowTaps; row += Rows) addColumns<Rows>(box, x, gy, sums, row);
  if constexpr (Rows > 1) addRows<Rows - 1>(box, x, gy, sums, row);
}

void addTaps(const DepthwiseBox& box, const float* x, const float* gy, float* sums) {
  addRows(box, x, gy, sums);
}

}  // namespace

extern const DepthwiseKernels kDepthwiseKernels;
const DepthwiseKernels kDepthwiseKernels = {kLanes, sum, addTaps};

}  // namespace neuronode::NN_ISA
