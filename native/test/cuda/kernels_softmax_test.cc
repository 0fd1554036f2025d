// Softmax along an axis and its logarithm against the CPU's.
#include "cpu/softmax/softmax.h"
#include "kernels_test.h"
#include "softmax/softmax.h"

namespace neuronode::cuda {
namespace {

using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::nearFloats;
using testing::randomFloats;
using testing::rounded;
using testing::storageName;
using testing::wide;

// Rows of blocks of threads, few and many, of a thread each, and side by side.
const SoftmaxShape kShapes[] = {
    {1, 1, 1, 1, false},      {5, 10, 1, 10, false},  {128, 10, 1, 16, true},
    {7, 33, 1, 40, false},    {3, 128, 1, 128, true}, {4, 129, 1, 136, false},
    {2, 4099, 1, 4104, true}, {4100, 7, 1, 8, false}, {4099, 21, 1, 21, true},
    {3, 5, 7, 5, false},      {2, 40, 33, 40, true},  {1, 6, 700, 6, false},
};

using CudaSoftmax = KernelTest;

// Rows `pitch` apart; `fill` between them.
std::vector<float> pitched(const std::vector<float>& dense, const SoftmaxShape& s, float fill) {
  std::vector<float> result(static_cast<size_t>(s.before * s.pitch * s.behind), fill);
  const int64_t length = s.size * s.behind;
  for (int64_t i = 0; i < static_cast<int64_t>(dense.size()); ++i) {
    const int64_t at = i / length * s.pitch * s.behind + i % length;
    result[static_cast<size_t>(at)] = dense[static_cast<size_t>(i)];
  }
  return result;
}

TEST_F(CudaSoftmax, ForwardAndGradient) {
  const SoftmaxKernels& cpu = softmaxKernels(Isa::Baseline);
  for (const SoftmaxShape& s : kShapes) {
    const PlaneShape plane{s.before, s.size, s.behind, 1};
    for (const Storage storage : kStorages) {
      SCOPED_TRACE(::testing::Message() << s.before << 'x' << s.size << 'x' << s.behind << ' '
                                        << s.isLog << ' ' << storageName(storage));
      // f32: the order of f64 sums differs. bf16: one rounding more.
      const double tolerance = storage == Storage::F32 ? 2e-6 : 1.0 / 256;
      const int64_t count = s.before * s.size * s.behind;
      const auto dense = rounded(randomFloats(count, -9, 9, 1), storage);
      const auto gradients = rounded(randomFloats(count, -1, 1, 2), storage);
      std::vector<float> want(dense.size()), wantGx(dense.size());
      (s.isLog ? cpu.logSoftmax : cpu.softmax)(plane, dense.data(), want.data());
      const FloatArray x(pitched(dense, s, NAN), storage),
          y(s.before * s.pitch * s.behind, storage);
      softmax(stream(), s, x.floats(), y.floats());
      EXPECT_TRUE(nearFloats(read(y), wide(pitched(want, s, 0)), tolerance, 1e-6));
      softmax(stream(), s, x.floats(), x.floats());  // in place
      EXPECT_EQ(read(x), read(y));

      want = rounded(want, storage);
      (s.isLog ? cpu.logSoftmaxGrad : cpu.softmaxGrad)(plane, gradients.data(), want.data(),
                                                       wantGx.data());
      const FloatArray gy(pitched(gradients, s, NAN), storage),
          known(pitched(want, s, NAN), storage), gx(s.before * s.pitch * s.behind, storage);
      softmaxGrad(stream(), s, gy.floats(), known.floats(), gx.floats());
      EXPECT_TRUE(nearFloats(read(gx), wide(pitched(wantGx, s, 0)), tolerance, 4e-6));
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
