// The kernels of winograd_table.h, for the instruction set that the including file is compiled for.
//
// Each tile takes two passes of a one-dimensional transform, down the columns and along the rows,
// on vectors of kLanes channels.
#pragma once

#include <cstdint>

#include "cpu/convolution/winograd/table.h"
#include "cpu/convolution/winograd/transforms.h"
#include "cpu/gemm_micro.h"

namespace neuronode::NN_ISA {

// Walks the tiles of a grid in memory order.
class TileWalk {
 public:
  TileWalk(const WinogradGrid& grid, std::int64_t first) : grid_(grid) {
    const std::int64_t perImage = static_cast<std::int64_t>(grid.tilesH) * grid.tilesW;
    image_ = first / perImage;
    row_ = static_cast<int>(first % perImage / grid.tilesW);
    column_ = static_cast<int>(first % grid.tilesW);
  }

  void next() {
    if (++column_ < grid_.tilesW) return;
    column_ = 0;
    if (++row_ < grid_.tilesH) return;
    row_ = 0;
    ++image_;
  }

  int top() const { return grid_.originH + row_ * grid_.step; }
  int left() const { return grid_.originW + column_ * grid_.step; }

  // Offset of row 0, column 0 of the image's channel group.
  std::ptrdiff_t plane(int group) const {
    return (image_ * grid_.groups + group) * grid_.height * grid_.width * kLanes;
  }

 private:
  const WinogradGrid& grid_;
  std::int64_t image_;
  int row_;
  int column_;
};

// The part [begin, end) of a tile's `size` rows or columns from `start` that lies in [0, extent).
struct Inside {
  Inside(int start, int size, int extent)
      : begin(start < 0 ? (start > -size ? -start : size) : 0),
        end(start + size > extent ? (start < extent ? extent - start : 0) : size) {}

  int begin;
  int end;
};

// A Size x Size tile of one plane of an activation, zero outside it.
template <int Size>
class TileReader {
 public:
  NN_INLINE TileReader(const float* plane, const WinogradGrid& grid, int top, int left)
      : columns_(left, Size, grid.width) {
    static constexpr float kZeros[Size * kLanes] = {};
    const Inside rows(top, Size, grid.height);
#pragma GCC unroll 6
    for (int i = 0; i < Size; ++i) {
      const bool inside = i >= rows.begin && i < rows.end && columns_.begin < columns_.end;
      row_[i] = inside ? plane + (static_cast<std::ptrdiff_t>(top + i) * grid.width + left +
                                  columns_.begin) *
                                     kLanes
                       : kZeros;
    }
  }

  NN_INLINE void column(int j, Vec (&values)[Size]) const {
    if (j < columns_.begin || j >= columns_.end) {
#pragma GCC unroll 6
      for (int i = 0; i < Size; ++i) values[i] = Vec{};
      return;
    }
#pragma GCC unroll 6
    for (int i = 0; i < Size; ++i) values[i] = load(row_[i] + (j - columns_.begin) * kLanes);
  }

 private:
  Inside columns_;
  const float* row_[Size];
};

inline void gatherInput(const float* x, const WinogradGrid& grid, int group, std::int64_t first,
                        int count, float* v, std::ptrdiff_t positionStride) {
  TileWalk walk(grid, first);
  for (int t = 0; t < count; ++t, walk.next(), v += kLanes) {
    const TileReader<kPoints> tile(x + walk.plane(group), grid, walk.top(), walk.left());
    Vec half[kPoints][kPoints];
#pragma GCC unroll 6
    for (int j = 0; j < kPoints; ++j) {
      Vec values[kPoints], points[kPoints];
      tile.column(j, values);
      inputPoints(values, points);
#pragma GCC unroll 6
      for (int i = 0; i < kPoints; ++i) half[i][j] = points[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kPoints; ++i) {
      Vec points[kPoints];
      inputPoints(half[i], points);
#pragma GCC unroll 6
      for (int j = 0; j < kPoints; ++j) store(v + (i * kPoints + j) * positionStride, points[j]);
    }
  }
}

template <int Tile>
void gatherOutputGradientTiles(const float* gy, const WinogradGrid& grid, int group,
                               std::int64_t first, int count, float* u,
                               std::ptrdiff_t positionStride) {
  TileWalk walk(grid, first);
  for (int t = 0; t < count; ++t, walk.next(), u += kPanel) {
    const TileReader<Tile> tile(gy + walk.plane(group), grid, walk.top(), walk.left());
    Vec half[kPoints][Tile];
#pragma GCC unroll 4
    for (int j = 0; j < Tile; ++j) {
      Vec values[Tile], points[kPoints];
      tile.column(j, values);
      outputPoints(values, points);
#pragma GCC unroll 6
      for (int i = 0; i < kPoints; ++i) half[i][j] = points[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kPoints; ++i) {
      Vec points[kPoints];
      outputPoints(half[i], points);
#pragma GCC unroll 6
      for (int j = 0; j < kPoints; ++j) store(u + (i * kPoints + j) * positionStride, points[j]);
    }
  }
}

inline void gatherOutputGradient(const float* gy, const WinogradGrid& grid, int panel,
                                 std::int64_t first, int count, float* u,
                                 std::ptrdiff_t positionStride) {
  for (int v = 0; v < kPanelVecs; ++v, u += kLanes) {
    const int group = panel * kPanelVecs + v;
    if (group >= grid.groups) {
      for (int p = 0; p < kPositions; ++p) {
        for (int t = 0; t < count; ++t) store(u + p * positionStride + t * kPanel, Vec{});
      }
    } else if (grid.step == 4) {
      gatherOutputGradientTiles<4>(gy, grid, group, first, count, u, positionStride);
    } else {
      gatherOutputGradientTiles<2>(gy, grid, group, first, count, u, positionStride);
    }
  }
}

template <int Tile, WinogradEpilogue Epilogue>
NN_INLINE void scatterTile(const float* m, std::ptrdiff_t positionStride, const WinogradGrid& grid,
                           const TileWalk& walk, int group, const Vec& offset, const float* mask,
                           float* y) {
  Vec half[Tile][kPoints];
#pragma GCC unroll 6
  for (int j = 0; j < kPoints; ++j) {
    Vec points[kPoints], values[Tile];
#pragma GCC unroll 6
    for (int i = 0; i < kPoints; ++i) points[i] = load(m + (i * kPoints + j) * positionStride);
    outputValues(points, values);
#pragma GCC unroll 4
    for (int i = 0; i < Tile; ++i) half[i][j] = values[i];
  }
  const Inside rows(walk.top(), Tile, grid.height), columns(walk.left(), Tile, grid.width);
#pragma GCC unroll 4
  for (int i = 0; i < Tile; ++i) {
    if (i < rows.begin || i >= rows.end) continue;
    Vec values[Tile];
    outputValues(half[i], values);
    const std::ptrdiff_t row =
        walk.plane(group) +
        (static_cast<std::ptrdiff_t>(walk.top() + i) * grid.width + walk.left()) * kLanes;
#pragma GCC unroll 4
    for (int j = 0; j < Tile; ++j) {
      if (j < columns.begin || j >= columns.end) continue;
      Vec value = values[j] + offset;
      // Comparisons that are false for NaN, so that it stays NaN, as in PyTorch.
      if constexpr (Epilogue == WinogradEpilogue::Relu) value = value <= 0 ? Vec{} : value;
      if constexpr (Epilogue == WinogradEpilogue::Mask) {
        value = load(mask + row + j * kLanes) <= 0 ? Vec{} : value;
      }
      store(y + row + j * kLanes, value);
    }
  }
}

template <int Tile, WinogradEpilogue Epilogue>
void scatterTiles(const float* m, std::ptrdiff_t positionStride, const WinogradGrid& grid,
                  int panel, std::int64_t first, int count, const float* bias, const float* mask,
                  float* y) {
  const int firstGroup = panel * kPanelVecs;
  const int vecs = grid.groups - firstGroup < kPanelVecs ? grid.groups - firstGroup : kPanelVecs;
  TileWalk walk(grid, first);
  for (int t = 0; t < count; ++t, walk.next(), m += kPanel) {
    for (int v = 0; v < vecs; ++v) {
      const int group = firstGroup + v;
      scatterTile<Tile, Epilogue>(m + v * kLanes, positionStride, grid, walk, group,
                                  load(bias + group * kLanes), mask, y);
    }
  }
}

template <int Tile>
void scatterStep(const float* m, std::ptrdiff_t positionStride, const WinogradGrid& grid, int panel,
                 std::int64_t first, int count, const float* bias, WinogradEpilogue epilogue,
                 const float* mask, float* y) {
  switch (epilogue) {
    case WinogradEpilogue::None:
      return scatterTiles<Tile, WinogradEpilogue::None>(m, positionStride, grid, panel, first,
                                                        count, bias, mask, y);
    case WinogradEpilogue::Relu:
      return scatterTiles<Tile, WinogradEpilogue::Relu>(m, positionStride, grid, panel, first,
                                                        count, bias, mask, y);
    case WinogradEpilogue::Mask:
      return scatterTiles<Tile, WinogradEpilogue::Mask>(m, positionStride, grid, panel, first,
                                                        count, bias, mask, y);
  }
}

inline void scatterOutput(const float* m, std::ptrdiff_t positionStride, const WinogradGrid& grid,
                          int panel, std::int64_t first, int count, const float* bias,
                          WinogradEpilogue epilogue, const float* mask, float* y) {
  const auto scatter = grid.step == 4 ? scatterStep<4> : scatterStep<2>;
  scatter(m, positionStride, grid, panel, first, count, bias, epilogue, mask, y);
}

}  // namespace neuronode::NN_ISA
