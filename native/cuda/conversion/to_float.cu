// Bytes to normalised floats, written straight in the layout that the first layer reads.
//
// Policy: a thread writes four neighbours. Where those are four neighbouring bytes as well (dense
// planes; space-to-depth with blocks four wide), it reads them as one word if they are aligned.
#include "conversion/to_float.h"
#include "kernels/streaming.h"

namespace neuronode::cuda {

NN_DEVICE float normalise(uint8_t byte, float mean, float std) {
  return (static_cast<float>(byte) / 255.0f - mean) / std;
}

// Runs of four: physical 4i .. 4i + 3 is plain p .. p + 3, in a row of `width`.
template <class T>
struct BytesToFloatRuns {
  const uint8_t* x;
  T* y;
  IndexMap map;
  int64_t pixels;
  bool words;  // a run is wholly inside or outside, and aligned as a word
  ToFloatScalars scalars;

  NN_DEVICE void operator()(int64_t i) const {
    float values[4];
    if (words) {
      wholeRun(map.plainOf(i * 4), values);
    } else {
      NN_UNROLL
      for (int j = 0; j < 4; ++j) {
        const int64_t plain = map.plainOf(i * 4 + j);
        const auto c = static_cast<int>(plain < 0 ? 0 : plain / pixels % scalars.channels);
        values[j] = plain < 0 ? 0.0f : normalise(x[plain], scalars.mean[c], scalars.std[c]);
      }
    }
    store<4>(y + i * 4, values);
  }

  NN_DEVICE void wholeRun(int64_t plain, float (&values)[4]) const {
    const auto c = static_cast<int>(plain < 0 ? 0 : plain / pixels % scalars.channels);
    const float mean = scalars.mean[c], std = scalars.std[c];
    Pack<uint8_t, 4> bytes{};
    if (plain >= 0) bytes = *reinterpret_cast<const Pack<uint8_t, 4>*>(x + plain);
    NN_UNROLL
    for (int j = 0; j < 4; ++j) values[j] = plain < 0 ? 0.0f : normalise(bytes.at[j], mean, std);
  }
};

// Any layout: the last elements, or memory that is not aligned.
struct BytesToFloat {
  const uint8_t* x;
  Floats y;
  IndexMap map;
  int64_t pixels;
  int64_t first;
  ToFloatScalars scalars;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t plain = map.plainOf(first + i);
    const auto c = static_cast<int>(plain < 0 ? 0 : plain / pixels % scalars.channels);
    storeAt(y, first + i, plain < 0 ? 0.0f : normalise(x[plain], scalars.mean[c], scalars.std[c]));
  }
};

void toFloat(cudaStream_t stream, const uint8_t* x, Floats y, const IndexMap& map, int64_t pixels,
             const ToFloatScalars& scalars) {
  const int64_t runs = isAligned(y.at) ? map.physicalCount / 4 : 0;
  const bool densePlanes = map.isDense() && (pixels % 4 == 0 || scalars.channels == 1);
  const bool denseBlocks = map.order == Order::SpaceToDepth && map.blockW % 4 == 0 &&
                           map.padW % 4 == 0 && map.width % 4 == 0;
  const bool words = isAligned(x, 4) && (densePlanes || denseBlocks);
  withStorage(y.storage, [&](auto element) {
    using T = decltype(element);
    launchElements(stream, "toFloat", runs,
                   BytesToFloatRuns<T>{x, static_cast<T*>(y.at), map, pixels, words, scalars});
  });
  launchElements(stream, "toFloat", map.physicalCount - runs * 4,
                 BytesToFloat{x, y, map, pixels, runs * 4, scalars});
}

}  // namespace neuronode::cuda
