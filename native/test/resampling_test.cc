// Resampling and its gradient against float64, and the taps of an axis.
#include "cpu/resampling/resampling.h"

#include <cmath>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::fromLayout;
using testing::Guarded;
using testing::randomFloats;
using testing::sameForThreads;
using testing::toLayout;

TEST(Taps, TakeCellsAsPyTorchDoes) {
  const AxisTaps twice = nearestTaps(3, 6, 2.0);
  EXPECT_EQ(twice.index, (std::vector<int32_t>{0, 0, 1, 1, 2, 2}));
  EXPECT_EQ(twice.each(), 1);
  // A scale is taken at its word.
  EXPECT_EQ(nearestTaps(4, 7, 1.9).index, (std::vector<int32_t>{0, 0, 1, 1, 2, 2, 3}));
  EXPECT_EQ(nearestTaps(4, 7, 0.0).index, (std::vector<int32_t>{0, 0, 1, 1, 2, 2, 3}));
  EXPECT_EQ(nearestTaps(4, 5, 1.4).index, (std::vector<int32_t>{0, 0, 1, 2, 2}));
  EXPECT_EQ(nearestTaps(4, 5, 0.0).index, (std::vector<int32_t>{0, 0, 1, 2, 3}));
  EXPECT_EQ(nearestTaps(5, 3, 0.0).index, (std::vector<int32_t>{0, 1, 3}));
  EXPECT_EQ(nearestTaps(3, 3, 1.3).index, (std::vector<int32_t>{0, 1, 2}));
  // No scale leads outside.
  EXPECT_EQ(nearestTaps(2, 4, 1e-30).index, (std::vector<int32_t>{0, 1, 1, 1}));
  EXPECT_EQ(nearestTaps(2, 3, 1e300).index, (std::vector<int32_t>{0, 0, 0}));

  const AxisTaps linear = linearTaps(2, 4, 0.0, false);
  EXPECT_EQ(linear.index, (std::vector<int32_t>{0, 1, 0, 1, 0, 1, 1, 1}));
  EXPECT_EQ(linear.weight, (std::vector<float>{1, 0, 0.75, 0.25, 0.25, 0.75, 0.75, 0.25}));
  EXPECT_EQ(linearTaps(2, 2, 1.3, false).weight, (std::vector<float>{1, 0, 1, 0}));
  const AxisTaps aligned = linearTaps(2, 5, 7.0, true);
  EXPECT_EQ(aligned.weight, (std::vector<float>{1, 0, 0.75, 0.25, 0.5, 0.5, 0.25, 0.75, 1, 0}));
  EXPECT_EQ(aligned.index.back(), 1);
  for (const int32_t index : linearTaps(3, 9, 1e-30, false).index) EXPECT_LT(index, 3);
}

TEST(Taps, TransposedAreEveryPlaceOfACell) {
  const AxisTaps back = nearestTaps(5, 3, 0.0).transposed();
  EXPECT_EQ(back.begin, (std::vector<int32_t>{0, 1, 2, 2, 3, 3}));
  EXPECT_EQ(back.index, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(back.each(), 0);
  const AxisTaps taps = linearTaps(4, 9, 0.0, false), twice = taps.transposed().transposed();
  EXPECT_EQ(twice.begin, taps.begin);
  EXPECT_EQ(twice.weight, taps.weight);
}

class Resample : public testing::IsaTest {
 protected:
  const ResamplingKernels& kernels_ = resamplingKernels(GetParam());

  std::vector<float> run(const PlaneShape& plane, const AxisTaps& h, const AxisTaps& w,
                         const std::vector<float>& plain) {
    PlaneShape target = plane;
    target.hw = h.out * w.out;
    const auto y = sameForThreads([&] {
      const Resampling shape{plane.n * plane.groups(), plane.block, h, w, omp_get_max_threads()};
      Guarded<float> x(toLayout(plain, plane)), out(target.elements());
      Guarded<float> scratch(resamplingScratch(shape));
      kernels_.resample(shape, x.data(), out.data(), scratch.data());
      return out.values();
    });
    return fromLayout(y, target);
  }
};

// [n c, h.out, w.out] of x [n c, h.in, w.in].
std::vector<double> resampled(const AxisTaps& h, const AxisTaps& w, const std::vector<float>& x) {
  const int64_t planes = static_cast<int64_t>(x.size()) / (h.in * w.in);
  std::vector<double> y(static_cast<size_t>(planes * h.out * w.out));
  for (int64_t at = 0; at < static_cast<int64_t>(y.size()); ++at) {
    const int64_t plane = at / (h.out * w.out), row = at / w.out % h.out, column = at % w.out;
    for (int32_t r = h.begin[row]; r < h.begin[row + 1]; ++r) {
      for (int32_t c = w.begin[column]; c < w.begin[column + 1]; ++c) {
        y[at] += static_cast<double>(h.weight[r]) * w.weight[c] *
                 x[(plane * h.in + h.index[r]) * w.in + w.index[c]];
      }
    }
  }
  return y;
}

TEST_P(Resample, ForwardAndGradientOfAnyLayout) {
  struct Sizes {
    int64_t n, c, h, w, oh, ow;
  };
  const Sizes all[] = {{1, 1, 1, 1, 1, 1},    {2, 3, 5, 7, 10, 14}, {1, 21, 9, 4, 5, 33},
                       {2, 17, 8, 8, 3, 2},   {1, 2, 1, 1, 6, 5},   {1, 3, 70, 90, 140, 180},
                       {1, 33, 6, 19, 1, 40}, {0, 3, 2, 2, 4, 4}};
  for (const Sizes& s : all) {
    for (const int block : {1, 8, 16}) {
      for (const int kind : {0, 1, 2}) {
        SCOPED_TRACE(::testing::Message() << s.n << 'x' << s.c << 'x' << s.h << 'x' << s.w << " to "
                                          << s.oh << 'x' << s.ow << " by " << block << ' ' << kind);
        const auto along = [&](int64_t in, int64_t out) {
          return kind == 0 ? nearestTaps(in, out, 0.0) : linearTaps(in, out, 0.0, kind == 2);
        };
        const AxisTaps h = along(s.h, s.oh), w = along(s.w, s.ow);
        const auto x = randomFloats(s.n * s.c * s.h * s.w, -2, 2, 5);
        const auto gy = randomFloats(s.n * s.c * s.oh * s.ow, -2, 2, 6);
        const auto y = run({s.n, s.c, s.h * s.w, block}, h, w, x);
        const AxisTaps hBack = h.transposed(), wBack = w.transposed();
        const auto gx = run({s.n, s.c, s.oh * s.ow, block}, hBack, wBack, gy);
        const auto wanted = resampled(h, w, x), gradient = resampled(hBack, wBack, gy);
        ASSERT_EQ(y.size(), wanted.size());
        for (size_t i = 0; i < y.size(); ++i) ASSERT_NEAR(y[i], wanted[i], 1e-6) << i;
        const double most =
            1e-6 * static_cast<double>(s.oh * s.ow) / static_cast<double>(s.h * s.w);
        for (size_t i = 0; i < gx.size(); ++i) ASSERT_NEAR(gx[i], gradient[i], 2e-6 + most) << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, Resample, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

}  // namespace
}  // namespace neuronode
