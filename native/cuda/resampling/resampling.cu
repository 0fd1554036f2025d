// Resampling of images; the gradient is the same with taps transposed.
//
// Policy: a thread writes a pack of channels of one pixel. Sums go row by row.
#include "kernels/access.h"
#include "pooling/windows.h"
#include "resampling/resampling.h"

namespace neuronode::cuda {

template <class T, int N>
struct Resample {
  DeviceTaps h, w;
  int channels;
  const T* x;
  T* y;

  NN_DEVICE void operator()(int64_t i) const {
    const Place out = placeOf(i, h.out, w.out, channels / N);
    const int firstRow = h.begin[out.row], lastRow = h.begin[out.row + 1];
    const int firstColumn = w.begin[out.column], lastColumn = w.begin[out.column + 1];
    float sums[N] = {};
    NN_NO_UNROLL
    for (int r = firstRow; r < lastRow; ++r) {
      const int64_t row = (out.n * h.in + h.index[r]) * w.in;
      const float share = h.weight[r];
      NN_NO_UNROLL
      for (int s = firstColumn; s < lastColumn; ++s) {
        const float weight = share * w.weight[s];
        float values[N];
        load<N>(x + (row + w.index[s]) * channels + out.pack * N, values);
        NN_UNROLL
        for (int j = 0; j < N; ++j) sums[j] += weight * values[j];
      }
    }
    store<N>(y + i * N, sums);
  }
};

void resample(cudaStream_t stream, const Resampling& s, Floats x, Floats y) {
  withStorage(x.storage, [&](auto element) {
    using T = decltype(element);
    const auto launch = [&]<int N>(std::integral_constant<int, N>) {
      launchElements(stream, "resample", s.n * s.h.out * s.w.out * (s.c / N),
                     Resample<T, N>{s.h, s.w, static_cast<int>(s.c), static_cast<const T*>(x.at),
                                    static_cast<T*>(y.at)});
    };
    if (isAligned(x.at) && isAligned(y.at) && s.c % kPack<T> == 0) {
      launch(std::integral_constant<int, kPack<T>>{});
    } else {
      launch(std::integral_constant<int, 1>{});
    }
  });
}

}  // namespace neuronode::cuda
