// Group normalisation and its gradient against the CPU's.
#include "cpu/normalisation/group_norm.h"
#include "kernels_test.h"
#include "normalisation/group_norm.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::nearFloats;
using testing::randomFloats;
using testing::rounded;
using testing::storageName;
using testing::wide;

using CudaGroupNorm = KernelTest;

// Channels of pixels, more than a tile has, and rows of a matrix, in one slice and in several.
const GroupNormShape kShapes[] = {{2, 9, 6, 3, 1e-3},    {3, 35, 40, 1, 1e-3}, {9, 4, 70, 14, 1e-3},
                                  {300, 1, 33, 1, 1e-3}, {5, 1, 24, 4, 0.5},   {1, 1, 1, 1, 1e-3}};

// [n, pixels, channels] from [n, channels, pixels], or back.
std::vector<float> turned(const std::vector<float>& x, int64_t n, int64_t rows, int64_t columns) {
  std::vector<float> y(x.size());
  for (int64_t i = 0; i < n * rows * columns; ++i) {
    const int64_t column = i % columns, row = i / columns % rows, image = i / columns / rows;
    y[static_cast<size_t>((image * columns + column) * rows + row)] = x[static_cast<size_t>(i)];
  }
  return y;
}

TEST_F(CudaGroupNorm, ForwardAndGradient) {
  const GroupNormKernels& cpu = groupNormKernels(Isa::Baseline);
  for (const GroupNormShape& s : kShapes) {
    for (const Storage storage : kStorages) {
      for (const bool affine : {true, false}) {
        SCOPED_TRACE(::testing::Message() << s.n << 'x' << s.channels << 'x' << s.pixels << ' '
                                          << storageName(storage) << ' ' << affine);
        const int64_t count = s.n * s.pixels * s.channels, groups = s.n * s.groups;
        const auto x = rounded(randomFloats(count, -2, 4, 1), storage);
        const auto gy = rounded(randomFloats(count, -1, 1, 2), storage);
        auto weight = randomFloats(s.channels, 0.5, 1.5, 3),
             bias = randomFloats(s.channels, -1, 1, 4);
        const GroupNorm norm{{s.n, s.channels, s.pixels, 1}, s.groups, s.eps};
        std::vector<float> y(x.size()), gx(x.size()), mean(static_cast<size_t>(groups)), rstd(mean);
        std::vector<float> gweight(weight.size()), gbias(weight.size());
        std::vector<double> workspace(static_cast<size_t>(groupNormWorkspace(norm, true)) + 1);
        cpu.forward({norm, x.data(), affine ? weight.data() : nullptr,
                     affine ? bias.data() : nullptr, y.data(), mean.data(), rstd.data(),
                     workspace.data()});
        cpu.backward({norm, gy.data(), x.data(), mean.data(), rstd.data(),
                      affine ? weight.data() : nullptr, gx.data(), gweight.data(), gbias.data(),
                      workspace.data()});

        const auto last = [&](const std::vector<float>& values) {
          return turned(values, s.n, s.channels, s.pixels);
        };
        const FloatArray from(last(x), storage), upper(last(gy), storage);
        const FloatArray to(count, storage), grad(count, storage);
        const DeviceArray<float> w(weight), b(bias), m(groups), r(groups), gw(s.channels),
            gb(s.channels);
        groupNorm(stream(), s, from.floats(), affine ? w.at() : nullptr, affine ? b.at() : nullptr,
                  to.floats(), m.at(), r.at());
        const double tolerance = storage == Storage::F32 ? 4e-6 : 1.0 / 256;
        EXPECT_TRUE(nearFloats(read(to), wide(last(y)), tolerance, 8e-6));
        EXPECT_TRUE(nearFloats(read(m), wide(mean), 1e-6, 1e-6));
        EXPECT_TRUE(nearFloats(read(r), wide(rstd), 1e-6, 1e-6));

        const DeviceArray<uint8_t> memory(static_cast<int64_t>(groupNormWorkspace(s)));
        for (const bool wantsSums : {true, false}) {
          groupNormGrad(stream(), s,
                        {upper.floats(), from.floats(), m.at(), r.at(), affine ? w.at() : nullptr,
                         grad.floats(), wantsSums ? gw.at() : nullptr,
                         wantsSums ? gb.at() : nullptr, memory.at()});
          EXPECT_TRUE(nearFloats(read(grad), wide(last(gx)), tolerance, 8e-6));
        }
        EXPECT_TRUE(nearFloats(read(gw), wide(gweight), 2e-5, 2e-5));
        EXPECT_TRUE(nearFloats(read(gb), wide(gbias), 1e-6, 1e-6));
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
