// Max-pooling, forward and gradient.
//
// Policy: a thread has one output (one input of the gradient) in 16 bytes of channels, or in one
// channel where they do not divide. The gradient gathers, windows in the order of rows and columns,
// which is the order in which the CPU scatters.
#include "kernels/access.h"
#include "pooling/windows.h"

namespace neuronode::cuda {

template <int N>
NN_DEVICE void storeIndices(const PoolIndices& indices, int64_t at, const int (&places)[N]) {
  if (indices.words) {
    constexpr int kStep = N < 4 ? N : 4;
    NN_UNROLL
    for (int i = 0; i < N; i += kStep) {
      Pack<int32_t, kStep> pack;
      NN_UNROLL
      for (int j = 0; j < kStep; ++j) pack.at[j] = places[i + j];
      *reinterpret_cast<Pack<int32_t, kStep>*>(static_cast<int32_t*>(indices.at) + at + i) = pack;
    }
  } else {
    Pack<uint8_t, N> pack;
    NN_UNROLL
    for (int j = 0; j < N; ++j) pack.at[j] = static_cast<uint8_t>(places[j]);
    *reinterpret_cast<Pack<uint8_t, N>*>(static_cast<uint8_t*>(indices.at) + at) = pack;
  }
}

template <int N>
NN_DEVICE void loadIndices(const PoolIndices& indices, int64_t at, int (&places)[N]) {
  if (indices.words) {
    constexpr int kStep = N < 4 ? N : 4;
    NN_UNROLL
    for (int i = 0; i < N; i += kStep) {
      const auto pack = *reinterpret_cast<const Pack<int32_t, kStep>*>(
          static_cast<const int32_t*>(indices.at) + at + i);
      NN_UNROLL
      for (int j = 0; j < kStep; ++j) places[i + j] = pack.at[j];
    }
  } else {
    const auto pack =
        *reinterpret_cast<const Pack<uint8_t, N>*>(static_cast<const uint8_t*>(indices.at) + at);
    NN_UNROLL
    for (int j = 0; j < N; ++j) places[j] = pack.at[j];
  }
}

template <class T, int N>
struct MaxPool {
  PoolAxis rows, columns;
  int channels;
  const T* x;
  T* y;
  PoolIndices indices;

  NN_DEVICE void operator()(int64_t i) const {
    const Place out = placeOf(i, rows.out, columns.out, channels / N);
    const Range kh = insidePlaces(rows, out.row), kw = insidePlaces(columns, out.column);
    const int firstRow = out.row * rows.stride - rows.pad;
    const int firstColumn = out.column * columns.stride - columns.pad;
    const bool empty = kh.begin == kh.end || kw.begin == kw.end;
    // Place 0 of a window without any cell inside is outside too, and gets no gradient.
    const int firstPlace = empty ? 0 : kh.begin * columns.kernel + kw.begin;
    float best[N];
    int place[N];
    NN_UNROLL
    for (int j = 0; j < N; ++j) {
      best[j] = -kInfinity;
      place[j] = firstPlace;
    }
    for (int r = kh.begin; r < kh.end; ++r) {
      const int64_t row = out.n * rows.in + firstRow + r * rows.dilation;
      for (int s = kw.begin; s < kw.end; ++s) {
        const int64_t pixel = row * columns.in + firstColumn + s * columns.dilation;
        float values[N];
        load<N>(x + pixel * channels + out.pack * N, values);
        NN_UNROLL
        for (int j = 0; j < N; ++j) {
          const bool wins = values[j] > best[j] || values[j] != values[j];
          best[j] = wins ? values[j] : best[j];
          place[j] = wins ? r * columns.kernel + s : place[j];
        }
      }
    }
    store<N>(y + i * N, best);
    if (indices.at != nullptr) storeIndices<N>(indices, i * N, place);
  }
};

template <class T, int N>
struct MaxPoolGrad {
  PoolAxis rows, columns;
  int channels;
  const T* gy;
  PoolIndices indices;
  const T* mask;
  T* gx;

  NN_DEVICE void operator()(int64_t i) const {
    const Place in = placeOf(i, rows.in, columns.in, channels / N);
    const Range overRow = windowsOver(rows, in.row), overColumn = windowsOver(columns, in.column);
    float sums[N] = {};
    for (int r = overRow.begin; r < overRow.end; ++r) {
      const int kh = placeIn(rows, r, in.row);
      if (kh < 0) continue;
      for (int s = overColumn.begin; s < overColumn.end; ++s) {
        const int kw = placeIn(columns, s, in.column);
        if (kw < 0) continue;
        const int64_t pixel = (in.n * rows.out + r) * columns.out + s;
        addWindow(pixel * channels + in.pack * N, kh * columns.kernel + kw, sums);
      }
    }
    store<N>(gx + i * N, sums);
  }

  // What the window whose output lies `at` hands to its cell number `cell`.
  NN_DEVICE void addWindow(int64_t at, int cell, float (&sums)[N]) const {
    int places[N];
    float grads[N], pooled[N] = {};
    loadIndices<N>(indices, at, places);
    load<N>(gy + at, grads);
    if (mask != nullptr) load<N>(mask + at, pooled);
    NN_UNROLL
    for (int j = 0; j < N; ++j) {
      const bool passes = places[j] == cell && !(mask != nullptr && pooled[j] <= 0.0f);
      sums[j] += passes ? grads[j] : 0.0f;
    }
  }
};

namespace {

// Calls fn with how many channels go in one access: all of 16 bytes, or one.
template <class T, class Fn>
void withPack(int64_t channels, bool aligned, Fn fn) {
  if (aligned && channels % kPack<T> == 0) {
    fn(std::integral_constant<int, kPack<T>>{});
  } else {
    fn(std::integral_constant<int, 1>{});
  }
}

}  // namespace

void maxPool(cudaStream_t stream, const PoolShape& s, Floats x, Floats y, PoolIndices indices) {
  const bool aligned = isAligned(x.at) && isAligned(y.at) && isAligned(indices.at);
  withStorage(x.storage, [&](auto element) {
    using T = decltype(element);
    withPack<T>(s.c, aligned, [&](auto size) {
      launchElements(stream, "maxPool", s.n * s.oh * s.ow * (s.c / size),
                     MaxPool<T, size>{rowsOf(s), columnsOf(s), static_cast<int>(s.c),
                                      static_cast<const T*>(x.at), static_cast<T*>(y.at), indices});
    });
  });
}

void maxPoolGrad(cudaStream_t stream, const PoolShape& s, Floats gy, PoolIndices indices,
                 Floats mask, Floats gx) {
  const bool aligned =
      isAligned(gy.at) && isAligned(mask.at) && isAligned(gx.at) && isAligned(indices.at);
  withStorage(gy.storage, [&](auto element) {
    using T = decltype(element);
    withPack<T>(s.c, aligned, [&](auto size) {
      launchElements(stream, "maxPoolGrad", s.n * s.h * s.w * (s.c / size),
                     MaxPoolGrad<T, size>{rowsOf(s), columnsOf(s), static_cast<int>(s.c),
                                          static_cast<const T*>(gy.at), indices,
                                          static_cast<const T*>(mask.at), static_cast<T*>(gx.at)});
    });
  });
}

}  // namespace neuronode::cuda
