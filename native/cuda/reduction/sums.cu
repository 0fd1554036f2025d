// Sums over axes, in two passes: of slices, and of the slices' sums.
#include "kernels/access.h"
#include "reduction/sums.h"

namespace neuronode::cuda {

// A sum for each thread, where each is of few elements: neighbours read neighbours where the last
// axis is kept.
struct ThreadSums {
  Floats x;
  double* partial;
  SumNest nest;
  int64_t kept, rounds, slices;

  NN_DEVICE void operator()(int64_t item) const {
    const int64_t slice = item / kept, k = item - slice * kept;
    int64_t base[1], at[1];
    nest.kept.place(k, base);
    double sum = 0;
    const int64_t end = (slice + 1) * rounds / slices;
    for (int64_t i = slice * rounds / slices; i < end; ++i) {
      nest.reduced.place(i, at);
      sum += loadAt(x, base[0] + at[0]);
    }
    partial[item] = sum;
  }
};

// A sum, or some neighbouring ones, for each block: its threads are kColumns side by side.
template <int kColumns>
struct BlockSums {
  static constexpr int kThreads = 256, kPhases = 2;
  static constexpr int kRows = kThreads / kColumns;
  struct Shared {
    double sums[kRows][kColumns];
  };
  Floats x;
  double* partial;
  SumNest nest;
  int64_t columns, tiles;  // of the last kept axis, and blocks over them
  int64_t kept, rounds, slices;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t places = kept / columns * tiles;
    const int64_t slice = block.index / places, place = block.index - slice * places;
    const int64_t row = place / tiles;
    const int column = block.thread % kColumns, lane = block.thread / kColumns;
    const int64_t first = (place - row * tiles) * kColumns + column;
    const int64_t k = row * columns + first;
    if constexpr (kPhase == 0) {
      double sum = 0;
      if (first < columns) {
        int64_t base[1], at[1];
        nest.kept.place(k, base);
        const int64_t end = (slice + 1) * rounds / slices;
        for (int64_t i = slice * rounds / slices + lane; i < end; i += kRows) {
          nest.reduced.place(i, at);
          sum += loadAt(x, base[0] + at[0]);
        }
      }
      shared.sums[lane][column] = sum;
    } else if (lane == 0 && first < columns) {
      double sum = 0;
      for (int i = 0; i < kRows; ++i) sum += shared.sums[i][column];
      partial[slice * kept + k] = sum;
    }
  }
};

struct AddSlices {
  const double* partial;
  Floats y;
  int64_t kept, slices;
  double divisor;

  NN_DEVICE void operator()(int64_t k) const {
    double sum = partial[k];
    for (int64_t slice = 1; slice < slices; ++slice) sum += partial[slice * kept + k];
    storeAt(y, k, static_cast<float>(sum / divisor));
  }
};

void sumOver(cudaStream_t stream, Floats x, Floats y, double* partial, const SumNest& nest,
             double divisor) {
  constexpr int64_t kFew = 64;  // elements that a thread adds up alone
  const int64_t kept = nest.kept.count(), rounds = nest.reduced.count(), slices = sumSlices(nest);
  if (rounds / slices <= kFew) {
    launchElements(stream, "sum", kept * slices,
                   ThreadSums{x, partial, nest, kept, rounds, slices});
  } else if (nest.innerKept) {
    const int64_t columns = nest.kept.size[nest.kept.axes - 1];
    const int64_t tiles = (columns + 31) / 32;
    launchBlocks(stream, "sum", kept / columns * tiles * slices,
                 BlockSums<32>{x, partial, nest, columns, tiles, kept, rounds, slices});
  } else {
    launchBlocks(stream, "sum", kept * slices,
                 BlockSums<1>{x, partial, nest, 1, 1, kept, rounds, slices});
  }
  launchElements(stream, "sum", kept, AddSlices{partial, y, kept, slices, divisor});
}

}  // namespace neuronode::cuda
