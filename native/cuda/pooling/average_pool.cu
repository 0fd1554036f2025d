// Average pooling, over windows and over adaptive bins, forward and gradient.
//
// Policy: as max_pool.cu. Sums go row by row, as on the CPU.
#include "kernels/access.h"
#include "pooling/windows.h"

namespace neuronode::cuda {

// Windows along one axis as PyTorch clips them: those of a kernel, or adaptive bins.
struct AverageAxis {
  PoolAxis axis;
  bool adaptive, countPadding;

  // The cells that window o averages.
  NN_DEVICE Range cells(int o) const {
    if (adaptive) {
      return {static_cast<int>(int64_t{o} * axis.in / axis.out),
              static_cast<int>(((int64_t{o} + 1) * axis.in + axis.out - 1) / axis.out)};
    }
    const int first = o * axis.stride - axis.pad, last = first + axis.kernel;
    const int begin = first > 0 ? first : 0, end = last < axis.in ? last : axis.in;
    return {begin, end > begin ? end : begin};
  }

  // What its sum is divided by, along this axis. In ceil mode a window may reach past the padding;
  // those cells are never counted.
  NN_DEVICE int count(int o, const Range& cells) const {
    if (adaptive || !countPadding) return cells.end - cells.begin;
    const int first = o * axis.stride - axis.pad, last = first + axis.kernel;
    const int most = axis.in + axis.pad;
    return (last < most ? last : most) - first;
  }

  // The windows that hold `cell`.
  NN_DEVICE Range over(int cell) const {
    if (!adaptive) return windowsOver(axis, cell);
    return {static_cast<int>(int64_t{cell} * axis.out / axis.in),
            static_cast<int>(((int64_t{cell} + 1) * axis.out + axis.in - 1) / axis.in)};
  }
};

// A window without any cell has the sum 0, whatever its count.
NN_DEVICE float divisor(int64_t count) { return static_cast<float>(count < 1 ? 1 : count); }

template <class T, int N>
struct AveragePool {
  AverageAxis rows, columns;
  int channels;
  const T* x;
  T* y;

  NN_DEVICE void operator()(int64_t i) const {
    const Place out = placeOf(i, rows.axis.out, columns.axis.out, channels / N);
    const Range h = rows.cells(out.row), w = columns.cells(out.column);
    float sums[N] = {};
    for (int r = h.begin; r < h.end; ++r) {
      const int64_t row = (out.n * rows.axis.in + r) * columns.axis.in;
      float rowSums[N] = {};
      for (int s = w.begin; s < w.end; ++s) {
        float values[N];
        load<N>(x + (row + s) * channels + out.pack * N, values);
        NN_UNROLL
        for (int j = 0; j < N; ++j) rowSums[j] += values[j];
      }
      NN_UNROLL
      for (int j = 0; j < N; ++j) sums[j] += rowSums[j];
    }
    const int64_t count = int64_t{rows.count(out.row, h)} * columns.count(out.column, w);
    NN_UNROLL
    for (int j = 0; j < N; ++j) sums[j] /= divisor(count);
    store<N>(y + i * N, sums);
  }
};

template <class T, int N>
struct AveragePoolGrad {
  AverageAxis rows, columns;
  int channels;
  const T* gy;
  T* gx;

  NN_DEVICE void operator()(int64_t i) const {
    const Place in = placeOf(i, rows.axis.in, columns.axis.in, channels / N);
    const Range overRow = rows.over(in.row), overColumn = columns.over(in.column);
    float sums[N] = {};
    for (int r = overRow.begin; r < overRow.end; ++r) {
      const int rowCount = rows.count(r, rows.cells(r));
      for (int s = overColumn.begin; s < overColumn.end; ++s) {
        const int64_t pixel = (in.n * rows.axis.out + r) * columns.axis.out + s;
        const int64_t count = int64_t{rowCount} * columns.count(s, columns.cells(s));
        float grads[N];
        load<N>(gy + pixel * channels + in.pack * N, grads);
        NN_UNROLL
        for (int j = 0; j < N; ++j) sums[j] += grads[j] / divisor(count);
      }
    }
    store<N>(gx + i * N, sums);
  }
};

namespace {

template <template <class, int> class Body>
void launchAverage(cudaStream_t stream, const char* name, const PoolShape& s, bool adaptive,
                   int64_t pixels, Floats from, Floats to) {
  const AverageAxis rows{rowsOf(s), adaptive, s.countIncludePad};
  const AverageAxis columns{columnsOf(s), adaptive, s.countIncludePad};
  withStorage(from.storage, [&](auto element) {
    using T = decltype(element);
    const auto launch = [&]<int N>(std::integral_constant<int, N>) {
      launchElements(stream, name, pixels * (s.c / N),
                     Body<T, N>{rows, columns, static_cast<int>(s.c),
                                static_cast<const T*>(from.at), static_cast<T*>(to.at)});
    };
    if (isAligned(from.at) && isAligned(to.at) && s.c % kPack<T> == 0) {
      launch(std::integral_constant<int, kPack<T>>{});
    } else {
      launch(std::integral_constant<int, 1>{});
    }
  });
}

}  // namespace

void avgPool(cudaStream_t stream, const PoolShape& s, Floats x, Floats y) {
  launchAverage<AveragePool>(stream, "avgPool", s, false, s.n * s.oh * s.ow, x, y);
}

void avgPoolGrad(cudaStream_t stream, const PoolShape& s, Floats gy, Floats gx) {
  launchAverage<AveragePoolGrad>(stream, "avgPoolGrad", s, false, s.n * s.h * s.w, gy, gx);
}

void adaptiveAvgPool(cudaStream_t stream, const PoolShape& s, Floats x, Floats y) {
  launchAverage<AveragePool>(stream, "adaptiveAvgPool", s, true, s.n * s.oh * s.ow, x, y);
}

void adaptiveAvgPoolGrad(cudaStream_t stream, const PoolShape& s, Floats gy, Floats gx) {
  launchAverage<AveragePoolGrad>(stream, "adaptiveAvgPoolGrad", s, true, s.n * s.h * s.w, gy, gx);
}

}  // namespace neuronode::cuda
