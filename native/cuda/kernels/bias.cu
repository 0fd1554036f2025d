// Bias: its gradient, which sums columns, and its addition where no library does it.
//
// Policy: rows are cut into chunks by their number alone. In a chunk, eight lanes each sum every
// eighth row in f32; lanes are added in their order, and chunks in f64: the same bits every time.
#include <algorithm>

#include "kernels/bias.h"
#include "kernels/streaming.h"
#include "math/activation.h"

namespace neuronode::cuda {

constexpr int64_t kFewestRows = 32;  // of a chunk
constexpr int64_t kMostChunks = 512;
constexpr int kColumnThreads = 32, kLanes = 8;

namespace {

int64_t rowsPerChunk(int64_t rows) {
  return std::max(kFewestRows, (rows + kMostChunks - 1) / kMostChunks);
}

int64_t chunkCount(int64_t rows) {
  const int64_t size = rowsPerChunk(rows);
  return (rows + size - 1) / size;
}

}  // namespace

// partial[chunk, column]; a thread has N neighbouring columns.
template <class T, int N>
struct BiasPartial {
  static constexpr int kThreads = kColumnThreads * kLanes, kPhases = 2;
  static constexpr int kTile = kColumnThreads * N;  // columns of a block
  struct Shared {
    float sums[kLanes][kTile];
  };
  const T* gy;
  float* partial;
  int64_t rows, columns, pitch;
  int64_t chunkRows, tiles;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t chunk = block.index / tiles;
    const int64_t firstColumn = (block.index - chunk * tiles) * kTile;
    if constexpr (kPhase == 0) {
      const int lane = block.thread / kColumnThreads;
      const int first = block.thread % kColumnThreads * N;
      const int64_t end = (chunk + 1) * chunkRows < rows ? (chunk + 1) * chunkRows : rows;
      float sums[N] = {};
      if (firstColumn + first < columns) {
        const T* from = gy + firstColumn + first;
        for (int64_t row = chunk * chunkRows + lane; row < end; row += kLanes) {
          float values[N];
          load<N>(from + row * pitch, values);
          NN_UNROLL
          for (int j = 0; j < N; ++j) sums[j] += values[j];
        }
      }
      NN_UNROLL
      for (int j = 0; j < N; ++j) shared.sums[lane][first + j] = sums[j];
    } else {
      const int64_t column = firstColumn + block.thread;
      if (block.thread >= kTile || column >= columns) return;
      float total = 0.0f;
      NN_UNROLL
      for (int lane = 0; lane < kLanes; ++lane) total += shared.sums[lane][block.thread];
      partial[chunk * columns + column] = total;
    }
  }
};

struct BiasTotal {
  static constexpr int kThreads = kColumnThreads * kLanes, kPhases = 2;
  struct Shared {
    double sums[kLanes][kColumnThreads];
  };
  const float* partial;
  float* gb;
  int64_t chunks, columns;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int lane = block.thread / kColumnThreads, place = block.thread % kColumnThreads;
    const int64_t column = block.index * kColumnThreads + place;
    if (column >= columns) return;
    if constexpr (kPhase == 0) {
      double sum = 0.0;
      for (int64_t chunk = lane; chunk < chunks; chunk += kLanes) {
        sum += partial[chunk * columns + column];
      }
      shared.sums[lane][place] = sum;
    } else if (lane == 0) {
      double total = 0.0;
      for (int k = 0; k < kLanes; ++k) total += shared.sums[k][place];
      gb[column] = static_cast<float>(total);
    }
  }
};

namespace {

// Whether rows can be read in packs of T.
template <class T>
bool rowsArePacked(const void* at, int64_t columns, int64_t pitch) {
  return isAligned(at) && columns % kPack<T> == 0 && pitch % kPack<T> == 0;
}

template <class T, int N>
void launchPartial(cudaStream_t stream, Floats gy, int64_t rows, int64_t columns, int64_t pitch,
                   float* partial) {
  using Body = BiasPartial<T, N>;
  const int64_t tiles = (columns + Body::kTile - 1) / Body::kTile;
  launchBlocks(
      stream, "biasGrad", chunkCount(rows) * tiles,
      Body{static_cast<const T*>(gy.at), partial, rows, columns, pitch, rowsPerChunk(rows), tiles});
}

}  // namespace

int64_t biasGradWorkspace(int64_t rows, int64_t columns) { return chunkCount(rows) * columns; }

void biasGrad(cudaStream_t stream, Floats gy, int64_t rows, int64_t columns, int64_t pitch,
              float* gb, float* partial) {
  withStorage(gy.storage, [&](auto element) {
    using T = decltype(element);
    if (rowsArePacked<T>(gy.at, columns, pitch)) {
      launchPartial<T, kPack<T>>(stream, gy, rows, columns, pitch, partial);
    } else {
      launchPartial<T, 1>(stream, gy, rows, columns, pitch, partial);
    }
  });
  launchBlocks(stream, "biasGrad", (columns + kColumnThreads - 1) / kColumnThreads,
               BiasTotal{partial, gb, chunkCount(rows), columns});
}

template <class T, int N>
struct AddBias {
  T* y;
  const float* bias;
  int64_t packsPerRow, pitch;
  bool relu;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / packsPerRow, column = (i - row * packsPerRow) * N;
    float values[N], add[N];
    load<N>(y + row * pitch + column, values);
    load<N>(bias + column, add);
    NN_UNROLL
    for (int j = 0; j < N; ++j) {
      values[j] += add[j];
      if (relu) values[j] = math::Relu{}.value(values[j]);
    }
    store<N>(y + row * pitch + column, values);
  }
};

void addBias(cudaStream_t stream, Floats y, const float* bias, int64_t rows, int64_t columns,
             int64_t pitch, bool relu) {
  withStorage(y.storage, [&](auto element) {
    using T = decltype(element);
    constexpr int N = kPack<T>;
    if (rowsArePacked<T>(y.at, columns, pitch) && isAligned(bias)) {
      launchElements(stream, "addBias", rows * (columns / N),
                     AddBias<T, N>{static_cast<T*>(y.at), bias, columns / N, pitch, relu});
    } else {
      launchElements(stream, "addBias", rows * columns,
                     AddBias<T, 1>{static_cast<T*>(y.at), bias, columns, pitch, relu});
    }
  });
}

}  // namespace neuronode::cuda
