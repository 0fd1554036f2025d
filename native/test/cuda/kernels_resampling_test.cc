// Resampling and its gradient against the CPU's.
#include "cpu/resampling/resampling.h"
#include "kernels_test.h"
#include "resampling/device_taps.h"

namespace neuronode::cuda {
namespace {

using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::nearFloats;
using testing::randomFloats;
using testing::rounded;
using testing::storageName;

using CudaResampling = KernelTest;

struct Case {
  int64_t n, c, h, w, oh, ow;
  int64_t shift;  // elements by which memory is aligned badly
};
const Case kCases[] = {{1, 1, 1, 1, 3, 2, 0},   {2, 8, 5, 7, 10, 14, 0}, {2, 8, 5, 7, 10, 14, 1},
                       {1, 21, 9, 4, 5, 33, 0}, {3, 16, 8, 8, 3, 2, 0},  {1, 3, 40, 30, 80, 60, 0}};

// Channels last, from [n, c, pixels] or back.
std::vector<float> turned(const std::vector<float>& x, int64_t n, int64_t rows, int64_t columns) {
  std::vector<float> y(x.size());
  for (int64_t i = 0; i < n * rows * columns; ++i) {
    const int64_t column = i % columns, row = i / columns % rows, image = i / columns / rows;
    y[static_cast<size_t>((image * columns + column) * rows + row)] = x[static_cast<size_t>(i)];
  }
  return y;
}

TEST_F(CudaResampling, AgreesWithTheCpu) {
  for (const Case& k : kCases) {
    for (const Storage storage : kStorages) {
      for (const bool isLinear : {false, true}) {
        for (const bool isGradient : {false, true}) {
          SCOPED_TRACE(::testing::Message()
                       << k.c << 'x' << k.h << 'x' << k.w << " to " << k.oh << 'x' << k.ow << ' '
                       << storageName(storage) << ' ' << isLinear << isGradient);
          const auto along = [&](int64_t in, int64_t out) {
            const AxisTaps taps =
                isLinear ? linearTaps(in, out, 0.0, false) : nearestTaps(in, out, 0.0);
            return isGradient ? taps.transposed() : taps;
          };
          const AxisTaps h = along(k.h, k.oh), w = along(k.w, k.ow);
          const auto x = rounded(randomFloats(k.n * k.c * h.in * w.in, -2, 2, 1), storage);
          const neuronode::Resampling cpu{k.n * k.c, 1, h, w, 1};
          std::vector<float> want(static_cast<size_t>(k.n * k.c * h.out * w.out)),
              scratch(static_cast<size_t>(resamplingScratch(cpu)));
          resamplingKernels(Isa::Baseline).resample(cpu, x.data(), want.data(), scratch.data());

          const FloatArray from(turned(x, k.n, k.c, h.in * w.in), storage, k.shift);
          const FloatArray to(static_cast<int64_t>(want.size()), storage, k.shift);
          const OwnedTaps taps = uploadTaps(stream(), h, w);
          resample(stream(), {k.n, k.c, taps.h, taps.w}, from.floats(), to.floats());
          const auto last = turned(want, k.n, k.c, h.out * w.out);
          const double tolerance = storage == Storage::F32 ? 2e-6 : 1.0 / 256;
          EXPECT_TRUE(nearFloats(read(to), {last.begin(), last.end()}, tolerance, 4e-6));
        }
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
