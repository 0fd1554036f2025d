// Dropout: the masks are those of the CPU, word for word, whatever the layout.
#include "dropout/dropout.h"
#include "kernels/streaming.h"

namespace neuronode::cuda {

NN_DEVICE void dropoutWords(uint64_t quad, const DropoutKey& key, uint32_t step,
                            uint32_t (&words)[4]) {
  uint64_t c0 = quad, c1 = quad >> 32, c2 = step, c3 = key.stream;
  math::philox(c0, c1, c2, c3, key.seedLow, key.seedHigh, math::MultiplyLow32{});
  words[0] = static_cast<uint32_t>(c0);
  words[1] = static_cast<uint32_t>(c1);
  words[2] = static_cast<uint32_t>(c2);
  words[3] = static_cast<uint32_t>(c3);
}

// Memory in plain order: one counter serves four neighbours.
template <class T>
struct DropoutStream {
  const T* x;
  T* y;
  int64_t packs;
  math::DropoutScalars scalars;
  DropoutKey key;
  const int32_t* step;

  NN_DEVICE void operator()(int64_t i) const { runItem<kPack<T>>(*this, packs, i); }

  template <int N>
  NN_DEVICE void run(int64_t at) const {
    const auto now = static_cast<uint32_t>(*step);
    float values[N];
    load<N>(x + at, values);
    uint32_t words[4];
    if constexpr (N == 1) {
      dropoutWords(static_cast<uint64_t>(at) / 4, key, now, words);
      // Indexed by constants, so that the words stay in registers.
      const int lane = static_cast<int>(at % 4);
      const uint32_t low = lane == 0 ? words[0] : words[1];
      const uint32_t high = lane == 2 ? words[2] : words[3];
      values[0] = math::dropoutElement(values[0], lane < 2 ? low : high, scalars);
    } else {
      NN_UNROLL
      for (int q = 0; q < N; q += 4) {
        dropoutWords(static_cast<uint64_t>(at + q) / 4, key, now, words);
        NN_UNROLL
        for (int j = 0; j < 4; ++j) {
          values[q + j] = math::dropoutElement(values[q + j], words[j], scalars);
        }
      }
    }
    store<N>(y + at, values);
  }
};

struct DropoutMapped {
  Floats x, y;
  IndexMap map;
  math::DropoutScalars scalars;
  DropoutKey key;
  const int32_t* step;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t plain = map.plainOf(i);
    if (plain < 0) {
      storeAt(y, i, 0.0f);
      return;
    }
    uint32_t words[4];
    dropoutWords(static_cast<uint64_t>(plain) / 4, key, static_cast<uint32_t>(*step), words);
    const int lane = static_cast<int>(plain % 4);
    const uint32_t low = lane == 0 ? words[0] : words[1];
    const uint32_t high = lane == 2 ? words[2] : words[3];
    storeAt(y, i, math::dropoutElement(loadAt(x, i), lane < 2 ? low : high, scalars));
  }
};

void dropout(cudaStream_t stream, Floats x, Floats y, const IndexMap& map,
             const math::DropoutScalars& scalars, const DropoutKey& key, const int32_t* step) {
  if (!map.isDense() || x.storage != y.storage) {
    launchElements(stream, "dropout", map.physicalCount,
                   DropoutMapped{x, y, map, scalars, key, step});
    return;
  }
  withStorage(x.storage, [&](auto element) {
    using T = decltype(element);
    const Packing packing(map.physicalCount, kPack<T>, isAligned(x.at) && isAligned(y.at));
    launchElements(stream, "dropout", packing.items,
                   DropoutStream<T>{static_cast<const T*>(x.at), static_cast<T*>(y.at),
                                    packing.packs, scalars, key, step});
  });
}

}  // namespace neuronode::cuda
