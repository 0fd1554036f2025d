// Pooling in every layout against float64 loops over plain NCHW.
#include "cpu/pooling/pooling.h"

#include <array>
#include <cmath>
#include <limits>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::fromLayout;
using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;
using testing::toLayout;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class Pooling : public IsaTest {
 protected:
  const PoolingKernels& kernels_ = poolingKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, Pooling, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

/// One axis of a pooling layer.
struct Axis {
  int64_t in, kernel, stride, pad, dilation;
  bool ceil;

  /// PyTorch's pooling_output_shape.
  int64_t out() const {
    const int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
    int64_t size = (span + (ceil ? stride - 1 : 0)) / stride + 1;
    if (ceil && (size - 1) * stride >= in + pad) --size;
    return size;
  }
};

struct Case {
  int64_t n, c;
  Axis h, w;
};

const Case kMaxCases[] = {
    {2, 11, {26, 3, 2, 0, 1, false}, {25, 3, 2, 0, 1, false}},  // AlexNet's
    {5, 16, {54, 3, 2, 0, 1, false}, {54, 3, 2, 0, 1, false}},  // enough for several threads
    {2, 6, {8, 2, 2, 0, 1, false}, {9, 2, 2, 0, 1, false}},
    {2, 9, {7, 3, 2, 1, 1, true}, {8, 3, 2, 1, 1, true}},
    {1, 3, {6, 3, 1, 1, 1, false}, {5, 2, 3, 1, 1, true}},
    {1, 5, {11, 3, 2, 2, 2, false}, {9, 2, 1, 1, 3, false}},
    {1, 17, {6, 5, 4, 2, 1, true}, {5, 3, 1, 0, 1, false}},
    {1, 2, {19, 17, 1, 3, 1, false}, {18, 17, 2, 8, 1, false}},  // 289 cells: i32 indices
    {1, 2, {1, 1, 1, 0, 1, false}, {1, 1, 1, 0, 1, false}},
    {1, 2, {16, 16, 1, 0, 1, false}, {17, 16, 1, 0, 1, false}},  // 256 cells: still u8
    {1, 2, {1, 2, 1, 1, 2, false}, {4, 2, 2, 0, 1, false}},      // windows all in the padding
};

MaxPoolShape maxShape(const Case& k, int block) {
  return {k.n * ((k.c + block - 1) / block),
          block,
          k.h.in,
          k.w.in,
          k.h.out(),
          k.w.out(),
          k.h.kernel,
          k.w.kernel,
          k.h.stride,
          k.w.stride,
          k.h.pad,
          k.w.pad,
          k.h.dilation,
          k.w.dilation};
}

/// The input cell of the maximum of each window (-1 if there is none), and the maxima.
struct MaxReference {
  std::vector<float> y;
  std::vector<int64_t> source;
  std::vector<int32_t> position;
};

MaxReference maxReference(const Case& k, const std::vector<float>& x) {
  MaxReference result;
  for (int64_t plane = 0; plane < k.n * k.c; ++plane) {
    for (int64_t oh = 0; oh < k.h.out(); ++oh) {
      for (int64_t ow = 0; ow < k.w.out(); ++ow) {
        float best = -kInfinity;
        int64_t source = -1;
        int32_t position = 0;
        for (int64_t cell = 0; cell < k.h.kernel * k.w.kernel; ++cell) {
          const int64_t ih = oh * k.h.stride - k.h.pad + cell / k.w.kernel * k.h.dilation;
          const int64_t iw = ow * k.w.stride - k.w.pad + cell % k.w.kernel * k.w.dilation;
          if (ih < 0 || ih >= k.h.in || iw < 0 || iw >= k.w.in) continue;
          const int64_t at = (plane * k.h.in + ih) * k.w.in + iw;
          if (source < 0 || x[at] > best || std::isnan(x[at])) {
            best = x[at];
            source = at;
            position = static_cast<int32_t>(cell);
          }
        }
        result.y.push_back(best);
        result.source.push_back(source);
        result.position.push_back(position);
      }
    }
  }
  return result;
}

std::vector<float> maxGradReference(const std::vector<float>& gy, const MaxReference& forward,
                                    bool relu, size_t inputs) {
  std::vector<double> gx(inputs, 0.0);
  for (size_t i = 0; i < gy.size(); ++i) {
    if (forward.source[i] >= 0 && !(relu && forward.y[i] <= 0)) gx[forward.source[i]] += gy[i];
  }
  return {gx.begin(), gx.end()};
}

/// Values with many ties; at least half of them are not positive. Gradients are small multiples of
/// 1/8, which f32 adds exactly.
std::vector<float> coarse(int64_t count, uint32_t seed) {
  auto values = randomFloats(count, -4, 4, seed);
  for (float& v : values) v = std::round(v * 8) / 8;
  return values;
}

template <class Index>
void checkMaxPool(const PoolingKernels& kernels, const Case& k, int block) {
  const MaxPoolShape shape = maxShape(k, block);
  const PlaneShape in{k.n, k.c, k.h.in * k.w.in, block};
  const PlaneShape out{k.n, k.c, k.h.out() * k.w.out(), block};
  auto plain = coarse(k.n * k.c * in.hw, 1);
  for (size_t i = 3; i < plain.size(); i += 5) plain[i] = -kInfinity;
  const MaxReference want = maxReference(k, plain);
  const auto x = toLayout(plain, in);
  ASSERT_EQ(static_cast<int>(sizeof(Index)), maxPoolIndexBytes(shape));

  std::vector<Index> indices;
  const auto y = sameForThreads([&] {
    Guarded<float> from(x), to(out.elements());
    Guarded<Index> positions(out.elements());
    kernels.maxPool(shape, from.data(), to.data(), positions.data());
    indices = positions.values();
    return to.values();
  });
  Guarded<float> from(x), withoutIndices(out.elements());
  kernels.maxPool(shape, from.data(), withoutIndices.data(), nullptr);
  EXPECT_EQ(withoutIndices.values(), y);

  const auto used = toLayout(std::vector<float>(want.y.size(), 1.0f), out);
  // Padding lanes give zeros, unless their window has no cell at all.
  std::vector<float> lanes = y;
  bool emptyWindows = false;
  for (int64_t source : want.source) emptyWindows |= source < 0;
  if (emptyWindows) {
    for (size_t i = 0; i < lanes.size(); ++i) lanes[i] = used[i] == 0.0f ? 0.0f : lanes[i];
  }
  EXPECT_EQ(fromLayout(lanes, out), want.y);
  const auto positions = toLayout(want.position, out);
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i] == 0.0f) continue;
    ASSERT_EQ(static_cast<int32_t>(indices[i]), positions[i]) << i;
  }

  const auto gyPlain = coarse(k.n * k.c * out.hw, 2);
  const auto gy = toLayout(gyPlain, out);
  for (bool relu : {false, true}) {
    const auto gx = sameForThreads([&] {
      Guarded<float> grad(gy), pooled(y), result(in.elements());
      Guarded<Index> positionsIn(indices);
      kernels.maxPoolGrad(shape, grad.data(), positionsIn.data(), relu ? pooled.data() : nullptr,
                          result.data());
      return result.values();
    });
    EXPECT_EQ(fromLayout(gx, in), maxGradReference(gyPlain, want, relu, plain.size())) << relu;
  }
}

TEST_P(Pooling, MaxPoolAndGradient) {
  for (int block : {1, 8, 16}) {
    for (size_t i = 0; i < std::size(kMaxCases); ++i) {
      SCOPED_TRACE(::testing::Message() << "case " << i << " block " << block);
      const Case& k = kMaxCases[i];
      if (k.h.kernel * k.w.kernel <= 256) {
        checkMaxPool<uint8_t>(kernels_, k, block);
      } else {
        checkMaxPool<int32_t>(kernels_, k, block);
      }
    }
  }
}

TEST_P(Pooling, MaxPoolLetsNanWin) {
  for (int block : {1, 8}) {
    const Case k{1, 1, {2, 2, 2, 0, 1, false}, {4, 2, 2, 0, 1, false}};
    const PlaneShape in{1, 1, 8, block}, out{1, 1, 2, block};
    Guarded<float> x(toLayout<float>({1, 5, kNan, 7, 2, 3, 9, 8}, in)), y(out.elements());
    Guarded<uint8_t> indices(out.elements());
    kernels_.maxPool(maxShape(k, block), x.data(), y.data(), indices.data());
    const auto result = fromLayout(y.values(), out);
    EXPECT_EQ(result[0], 5.0f);
    EXPECT_TRUE(std::isnan(result[1]));
    const auto positions = indices.values();
    EXPECT_EQ(positions[0], 1);
    EXPECT_EQ(positions[block], 0);
  }
}

/// The windows of one axis as {start, end, count} from a definition apart from the code under test.
using Windows = std::vector<std::array<int64_t, 3>>;

struct AverageCase {
  int64_t n, c;
  AxisWindows h, w;
};

std::vector<AverageCase> averageCases() {
  return {
      {2, 11, averageWindows(26, 12, 3, 2, 0, true), averageWindows(25, 12, 3, 2, 0, true)},
      {5, 16, averageWindows(54, 27, 2, 2, 0, true), averageWindows(54, 27, 2, 2, 0, true)},
      {2, 3, averageWindows(7, 4, 3, 2, 1, true), averageWindows(8, 5, 3, 2, 1, true)},
      {2, 3, averageWindows(7, 4, 3, 2, 1, false), averageWindows(8, 5, 3, 2, 1, false)},
      {1, 9, averageWindows(5, 3, 2, 2, 0, true), averageWindows(6, 4, 3, 2, 1, false)},
      {2, 9, adaptiveWindows(5, 3), adaptiveWindows(7, 7)},
      {2, 20, adaptiveWindows(13, 1), adaptiveWindows(13, 1)},
      {1, 2, adaptiveWindows(3, 5), adaptiveWindows(10, 4)},
      {1, 1, adaptiveWindows(1, 3), adaptiveWindows(1, 1)},
  };
}

TEST_P(Pooling, AveragePoolAndGradient) {
  for (int block : {1, 8, 16}) {
    int number = 0;
    for (const AverageCase& k : averageCases()) {
      SCOPED_TRACE(::testing::Message() << "case " << number++ << " block " << block);
      const AveragePoolShape shape{k.n * ((k.c + block - 1) / block), block, k.h, k.w};
      const PlaneShape in{k.n, k.c, k.h.in * k.w.in, block};
      const PlaneShape out{k.n, k.c, k.h.out * k.w.out, block};
      const auto xPlain = randomFloats(k.n * k.c * in.hw, -1, 1, 1);
      const auto gyPlain = randomFloats(k.n * k.c * out.hw, -1, 1, 2);
      const auto y = sameForThreads([&] {
        Guarded<float> x(toLayout(xPlain, in)), result(out.elements());
        kernels_.averagePool(shape, x.data(), result.data());
        return result.values();
      });
      const auto gx = sameForThreads([&] {
        Guarded<float> gy(toLayout(gyPlain, out)), result(in.elements());
        kernels_.averagePoolGrad(shape, gy.data(), result.data());
        return result.values();
      });
      const auto yPlain = fromLayout(y, out), gxPlain = fromLayout(gx, in);
      std::vector<double> wantGx(gxPlain.size(), 0.0);
      for (int64_t i = 0; i < static_cast<int64_t>(yPlain.size()); ++i) {
        const int64_t plane = i / out.hw, oh = i % out.hw / k.w.out, ow = i % k.w.out;
        const double count = static_cast<double>(k.h.count[oh]) * k.w.count[ow];
        double sum = 0;
        for (int64_t ih = k.h.start[oh]; ih < k.h.end[oh]; ++ih) {
          for (int64_t iw = k.w.start[ow]; iw < k.w.end[ow]; ++iw) {
            const int64_t at = (plane * k.h.in + ih) * k.w.in + iw;
            sum += xPlain[at];
            wantGx[at] += gyPlain[i] / count;
          }
        }
        ASSERT_NEAR(yPlain[i], sum / count, 3e-7) << i;
      }
      for (size_t i = 0; i < wantGx.size(); ++i) ASSERT_NEAR(gxPlain[i], wantGx[i], 5e-7) << i;
    }
  }
}

void expectWindows(const AxisWindows& got, const Windows& want) {
  ASSERT_EQ(got.out, static_cast<int64_t>(want.size()));
  ASSERT_EQ(got.start.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(got.start[i], want[i][0]) << i;
    EXPECT_EQ(got.end[i], want[i][1]) << i;
    EXPECT_EQ(got.count[i], want[i][2]) << i;
  }
}

TEST(PoolingWindows, AverageCountsPaddingButNotWhatCeilModeAdds) {
  expectWindows(averageWindows(5, 3, 3, 2, 1, true), {{0, 2, 3}, {1, 4, 3}, {3, 5, 3}});
  expectWindows(averageWindows(5, 3, 3, 2, 1, false), {{0, 2, 2}, {1, 4, 3}, {3, 5, 2}});
  // Ceil mode: torch.nn.AvgPool2d(3, 2, 1, ceil_mode=True) on 6 gives 4; the last window starts at
  // 5 and ends with the padding, at 7.
  expectWindows(averageWindows(6, 4, 3, 2, 1, true), {{0, 2, 3}, {1, 4, 3}, {3, 6, 3}, {5, 6, 2}});
  expectWindows(averageWindows(6, 4, 3, 2, 1, false), {{0, 2, 2}, {1, 4, 3}, {3, 6, 3}, {5, 6, 1}});
}

TEST(PoolingWindows, AdaptiveBinsAreFloorToCeil) {
  expectWindows(adaptiveWindows(5, 3), {{0, 2, 2}, {1, 4, 3}, {3, 5, 2}});
  expectWindows(adaptiveWindows(3, 5), {{0, 1, 1}, {0, 2, 2}, {1, 2, 1}, {1, 3, 2}, {2, 3, 1}});
  expectWindows(adaptiveWindows(6, 3), {{0, 2, 2}, {2, 4, 2}, {4, 6, 2}});
  expectWindows(adaptiveWindows(7, 1), {{0, 7, 7}});
}

}  // namespace
}  // namespace neuronode
