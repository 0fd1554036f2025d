// What the Winograd driver needs from each instruction set: a table of single-threaded kernels,
// each working on a piece of a block of tiles.
//
// Intermediate arrays, with P = 36 positions, T tiles in the block, L lanes and N panel columns:
//   values   V [P][group][T][L]   transformed inputs; one group is L channels
//   panels   U [P][panel][i][N]   transformed filters (i: reduced channel), transformed output
//                                 gradients (i: tile), filter gradients (i: input channel)
//   products M [P][panel][T][N]
// Strides are in floats and passed in, so that the driver can pad them against cache set conflicts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa.h"

namespace neuronode {

/// A channel-blocked activation [N][groups][height][width][L] and the grid of tiles over it: tile
/// (i, j) of an image begins at row originH + i * step and column originW + j * step. Whatever lies
/// outside the activation reads as zero and is not written.
struct WinogradGrid {
  int groups;
  int height;
  int width;
  int originH;
  int originW;
  int step;
  int tilesH;
  int tilesW;
};

/// OIHW filters seen as a matrix of taps x taps filters, reduced channels by outputs. The gradient
/// by input swaps the two and turns each filter by 180 degrees.
struct WinogradFilter {
  int taps;
  bool turned;
  int outputs;
  int reductions;
  std::ptrdiff_t outputStride;
  std::ptrdiff_t reductionStride;
};

enum class WinogradEpilogue { None, Relu, Mask };

struct WinogradKernels {
  int lanes;  // L
  int panel;  // N, a multiple of L
  int rows;   // tiles that one product keeps in registers: blocks are best a multiple of it

  /// Filters of panel `panel`, reduced channels [first, first + count), into u, which points at
  /// row `first` of the panel at position 0. Rows and columns past the matrix become zero.
  void (*transformFilter)(const float* w, const WinogradFilter& filter, int panel, int first,
                          int count, float* u, std::ptrdiff_t positionStride);
  /// The reverse of transformFilter for gradients: du as u there, gw plain OIHW; rows and columns
  /// past the matrix are dropped.
  void (*collectFilterGradient)(const float* du, std::ptrdiff_t positionStride,
                                const WinogradFilter& filter, int panel, int first, int count,
                                float* gw);
  /// Tiles [first, first + count) of one channel group of x into v (position 0, tile `first`).
  void (*gatherInput)(const float* x, const WinogradGrid& grid, int group, std::int64_t first,
                      int count, float* v, std::ptrdiff_t positionStride);
  /// Tiles of one panel of an output gradient into u (position 0, tile `first`).
  void (*gatherOutputGradient)(const float* gy, const WinogradGrid& grid, int panel,
                               std::int64_t first, int count, float* u,
                               std::ptrdiff_t positionStride);
  /// Tiles of one panel of products into y. bias has a value for every lane of every panel; mask
  /// has y's layout and is read for WinogradEpilogue::Mask only.
  void (*scatterOutput)(const float* m, std::ptrdiff_t positionStride, const WinogradGrid& grid,
                        int panel, std::int64_t first, int count, const float* bias,
                        WinogradEpilogue epilogue, const float* mask, float* y);

  /// m[t][0..N) (+)= sum over channels of v[t][channel] * u[channel][0..N), for `tiles` tiles and
  /// `groups` channel groups. next: the panel that the next call will take as u, or null.
  void (*multiply)(const float* v, std::ptrdiff_t groupStride, int groups, const float* u,
                   const float* next, float* m, int tiles, bool accumulate);
  /// du[c][0..N) (+)= sum over tiles of v[c][tile] * u[tile][0..N), for channels
  /// [0, channels) of v. next as above.
  void (*multiplyTransposed)(const float* v, std::ptrdiff_t groupStride, int channels,
                             const float* u, const float* next, int tiles, float* du,
                             bool accumulate);
  /// sum[0..N) (+)= sum over rows of u[row][0..N).
  void (*sumRows)(const float* u, int rows, float* sum, bool accumulate);
};

namespace baseline {
extern const WinogradKernels kWinogradKernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const WinogradKernels kWinogradKernels;
}
namespace avx512 {
extern const WinogradKernels kWinogradKernels;
}
#endif

/// The table for `isa`, which this process must be able to run (isaSupported).
const WinogradKernels& winogradKernels(Isa isa);

}  // namespace neuronode
