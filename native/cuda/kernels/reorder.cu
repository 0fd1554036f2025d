// From one layout and storage to another.
//
// Policy: where one side is plain and the other channels-last, tiles are turned in shared memory,
// so that both sides are read and written in rows. Equal layouts are copied or converted as
// streams. Whatever is left goes element by element.
#include "kernels/reorder.h"
#include "kernels/streaming.h"

namespace neuronode::cuda {

struct Reorder {
  Floats from, to;
  IndexMap fromMap, toMap;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t plain = toMap.plainOf(i);
    const int64_t source = plain < 0 ? -1 : fromMap.physicalOf(plain);
    storeAt(to, i, source < 0 ? 0.0f : loadAt(from, source));
  }
};

struct ReorderBytes {
  const uint8_t* from;
  uint8_t* to;
  IndexMap fromMap, toMap;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t plain = toMap.plainOf(i);
    const int64_t source = plain < 0 ? -1 : fromMap.physicalOf(plain);
    to[i] = source < 0 ? uint8_t{0} : from[source];
  }
};

// From one storage to another, same layout; or a copy.
template <class From, class To>
struct Convert {
  static constexpr int kSize = kPack<From> > kPack<To> ? kPack<From> : kPack<To>;
  const From* x;
  To* y;
  int64_t packs;

  NN_DEVICE void operator()(int64_t i) const { runItem<kSize>(*this, packs, i); }

  template <int N>
  NN_DEVICE void run(int64_t at) const {
    float values[N];
    load<N>(x + at, values);
    store<N>(y + at, values);
  }
};

template <class To, class From>
NN_DEVICE To converted(From x) {
  if constexpr (sizeof(From) == sizeof(To)) {
    return x;
  } else {
    return narrow<To>(widen(x));
  }
}

// Matrices [rows, columns] to [columns, rows], one after the other.
template <class From, class To>
struct Transpose {
  static constexpr int kThreads = 256, kPhases = 2;
  static constexpr int kTile = 32, kStep = kThreads / kTile;
  struct Shared {
    From tile[kTile][kTile + 1];
  };
  const From* x;
  To* y;
  int64_t rows, columns;
  int64_t rowTiles, columnTiles;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t matrix = block.index / (rowTiles * columnTiles);
    const int64_t tile = block.index - matrix * (rowTiles * columnTiles);
    const int64_t tileRow = tile / columnTiles;
    const int64_t firstRow = tileRow * kTile;
    const int64_t firstColumn = (tile - tileRow * columnTiles) * kTile;
    const int64_t base = matrix * rows * columns;
    const int along = block.thread % kTile, across = block.thread / kTile;
    if constexpr (kPhase == 0) {
      const int64_t column = firstColumn + along;
      NN_UNROLL
      for (int k = across; k < kTile; k += kStep) {
        const int64_t row = firstRow + k;
        if (row < rows && column < columns) {
          shared.tile[k][along] = x[base + row * columns + column];
        }
      }
    } else {
      const int64_t row = firstRow + along;
      NN_UNROLL
      for (int k = across; k < kTile; k += kStep) {
        const int64_t column = firstColumn + k;
        if (row < rows && column < columns) {
          y[base + column * rows + row] = converted<To>(shared.tile[along][k]);
        }
      }
    }
  }
};

namespace {

template <class From, class To>
void transpose(cudaStream_t stream, const void* x, void* y, int64_t count, int64_t rows,
               int64_t columns) {
  constexpr int64_t kTile = Transpose<From, To>::kTile;
  const int64_t rowTiles = (rows + kTile - 1) / kTile;
  const int64_t columnTiles = (columns + kTile - 1) / kTile;
  launchBlocks(stream, "transpose", count / (rows * columns) * rowTiles * columnTiles,
               Transpose<From, To>{static_cast<const From*>(x), static_cast<To*>(y), rows, columns,
                                   rowTiles, columnTiles});
}

bool isTransposed(const IndexMap& map) {
  return map.order == Order::ChannelsLast || map.order == Order::Features;
}

// Calls turn(rows, columns) where the way from one map to the other is a transposition.
template <class Turn>
bool asTransposition(const IndexMap& from, const IndexMap& to, Turn turn) {
  if (from.isDense() && isTransposed(to)) {
    turn(to.channels, to.pixels);
  } else if (isTransposed(from) && to.isDense()) {
    turn(from.pixels, from.channels);
  } else {
    return false;
  }
  return true;
}

// Whether memory is the same element by element, without padding.
bool isSamePlace(const IndexMap& from, const IndexMap& to) {
  return from.physicalCount == from.plainCount && from == to;
}

template <class From, class To>
void reorderAs(cudaStream_t stream, Floats from, const IndexMap& fromMap, Floats to,
               const IndexMap& toMap) {
  const int64_t count = toMap.physicalCount;
  if (isSamePlace(fromMap, toMap)) {
    const Packing packing(count, Convert<From, To>::kSize, isAligned(from.at) && isAligned(to.at));
    launchElements(stream, "convert", packing.items,
                   Convert<From, To>{static_cast<const From*>(from.at), static_cast<To*>(to.at),
                                     packing.packs});
    return;
  }
  const bool done = asTransposition(fromMap, toMap, [&](int64_t rows, int64_t columns) {
    transpose<From, To>(stream, from.at, to.at, count, rows, columns);
  });
  if (!done) launchElements(stream, "reorder", count, Reorder{from, to, fromMap, toMap});
}

}  // namespace

void reorderFloats(cudaStream_t stream, Floats from, const IndexMap& fromMap, Floats to,
                   const IndexMap& toMap) {
  withStorage(from.storage, [&](auto source) {
    withStorage(to.storage, [&](auto target) {
      reorderAs<decltype(source), decltype(target)>(stream, from, fromMap, to, toMap);
    });
  });
}

void reorderBytes(cudaStream_t stream, const uint8_t* from, const IndexMap& fromMap, uint8_t* to,
                  const IndexMap& toMap) {
  const bool done = asTransposition(fromMap, toMap, [&](int64_t rows, int64_t columns) {
    transpose<uint8_t, uint8_t>(stream, from, to, toMap.physicalCount, rows, columns);
  });
  if (!done) {
    launchElements(stream, "reorder", toMap.physicalCount, ReorderBytes{from, to, fromMap, toMap});
  }
}

void reorderWords(cudaStream_t stream, const int32_t* from, const IndexMap& fromMap, int32_t* to,
                  const IndexMap& toMap) {
  // Moving an f32 changes no bit of it.
  reorderFloats(stream, {const_cast<int32_t*>(from), Storage::F32}, fromMap, {to, Storage::F32},
                toMap);
}

struct ZeroPadding {
  Floats x;
  IndexMap map;

  NN_DEVICE void operator()(int64_t i) const {
    if (map.plainOf(i) < 0) storeAt(x, i, 0.0f);
  }
};

void zeroPadding(cudaStream_t stream, Floats x, const IndexMap& map) {
  // A map whose places are as many as its elements has no padding, but for space-to-depth, which
  // may leave elements out.
  const bool padded = map.order == Order::SpaceToDepth || map.order == Order::SpaceToDepthFilter ||
                      map.physicalCount != map.plainCount;
  if (!padded) return;
  launchElements(stream, "zeroPadding", map.physicalCount, ZeroPadding{x, map});
}

}  // namespace neuronode::cuda
