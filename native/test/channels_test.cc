// Sums and padding of channels against float64, in every layout and odd size.
#include "cpu/channels.h"

#include <cmath>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::fromLayout;
using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;
using testing::toLayout;

class Channels : public IsaTest {
 protected:
  const ChannelKernels& kernels_ = channelKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, Channels, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

TEST_P(Channels, AddRow) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {3, 7}, {5, 10}, {37, 1003}}) {
    const auto y = randomFloats(rows * columns, -1, 1, 5), row = randomFloats(columns, -1, 1, 6);
    const auto sum = sameForThreads([&] {
      Guarded<float> in(row), out(y);
      kernels_.addRow(out.data(), in.data(), rows, columns);
      return out.values();
    });
    for (int64_t i = 0; i < rows * columns; ++i) ASSERT_EQ(sum[i], y[i] + row[i % columns]) << i;
  }
}

TEST_P(Channels, ZeroPaddingLanes) {
  for (int block : {8, 16}) {
    for (int64_t c : {1, 7, 8, 17, 32}) {
      const PlaneShape shape{3, c, 35, block};
      const auto plain = randomFloats(shape.n * c * shape.hw, 1, 2, 8);
      Guarded<float> x(toLayout(plain, shape));
      for (int64_t i = 0; i < shape.elements(); ++i) {
        if (x.data()[i] == 0.0f) x.data()[i] = 0.5f;
      }
      kernels_.zeroPaddingLanes(x.data(), shape);
      EXPECT_EQ(fromLayout(x.values(), shape), plain);
    }
  }
}

TEST_P(Channels, ChannelSum) {
  const PlaneShape shapes[] = {{1, 1, 1, 1},   {128, 10, 1, 1}, {67, 1003, 1, 1},
                               {3, 6, 53, 1},  {9, 20, 729, 1}, {1, 3, 1, 8},
                               {5, 20, 1, 16}, {9, 20, 729, 8}, {9, 37, 300, 16}};
  for (const PlaneShape& shape : shapes) {
    SCOPED_TRACE(::testing::Message()
                 << shape.n << ' ' << shape.c << ' ' << shape.hw << ' ' << shape.block);
    const auto plain = randomFloats(shape.n * shape.c * shape.hw, -1, 3, 9);
    const auto x = toLayout(plain, shape);
    const auto sums = sameForThreads([&] {
      Guarded<float> in(x), out(shape.c);
      kernels_.channelSum(in.data(), out.data(), shape);
      return out.values();
    });
    for (int64_t c = 0; c < shape.c; ++c) {
      double want = 0;
      for (int64_t n = 0; n < shape.n; ++n) {
        for (int64_t i = 0; i < shape.hw; ++i) want += plain[(n * shape.c + c) * shape.hw + i];
      }
      // A few roundings of short f32 sums, whatever the length of the whole.
      ASSERT_NEAR(sums[c], want, 2e-6 * (1 + std::abs(want))) << c;
    }
  }
}

}  // namespace
}  // namespace neuronode
