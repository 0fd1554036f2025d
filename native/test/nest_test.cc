// Loops over strided tensors, and the kernels that go by them, against plain index arithmetic:
// every instruction set, odd sizes, guard bytes, thread counts.
#include "nest.h"

#include <gtest/gtest.h>

#include "cpu/joining/copies.h"
#include "cpu/pointwise/pointwise.h"
#include "cpu/reduction/sums.h"
#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;

int64_t countOf(const Axes& sizes) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  return count;
}

// Where element `i` of a box lies in memory whose axes have these strides.
int64_t placeOf(int64_t i, const Axes& box, const Axes& strides) {
  int64_t place = 0;
  for (size_t axis = box.size(); axis-- > 0;) {
    place += i % box[axis] * strides[axis];
    i /= box[axis];
  }
  return place;
}

TEST(Nest, JoinsAxesThatAreWalkedThroughWithoutAGap) {
  const Axes sizes{2, 1, 3, 4, 5}, strides = rowStrides(sizes);
  EXPECT_EQ((makeNest<1>(sizes, {strides}).axes), 1);
  EXPECT_EQ((makeNest<1>(sizes, {strides}).size[0]), 120);
  const auto perChannel = makeNest<2>(sizes, {strides, repeatedStrides({1, 1, 3, 1, 1})});
  ASSERT_EQ(perChannel.axes, 3);
  EXPECT_EQ(perChannel.size[2], 20);
  EXPECT_EQ(perChannel.stride[1][1], 1);
  EXPECT_EQ(perChannel.stride[1][2], 0);
  EXPECT_EQ((makeNest<1>(Axes{}, {Axes{}}).count()), 1);
}

TEST(Nest, PlacesEveryRound) {
  const Axes sizes{3, 4, 5};
  const Axes strides[] = {rowStrides(sizes), repeatedStrides({3, 1, 5}), {100, 1, 7}};
  const auto nest = makeNest<3>(sizes, {strides[0], strides[1], strides[2]});
  for (int64_t i = 0; i < 60; ++i) {
    int64_t at[3];
    nest.place(i, at);
    for (int t = 0; t < 3; ++t) EXPECT_EQ(at[t], placeOf(i, sizes, strides[t])) << i;
  }
}

TEST(Nest, DividesSumsByTheirShape) {
  const auto slices = [](const Axes& x, const Axes& sums) {
    return sumSlices(makeSumNest(x, sums));
  };
  EXPECT_EQ(slices({100}, {1}), 1);
  EXPECT_EQ(slices({1 << 20}, {1}), 64);
  EXPECT_EQ(slices({1 << 20, 64}, {1, 64}), 64);
  EXPECT_EQ(slices({4096, 4096}, {4096, 1}), 1);
  EXPECT_EQ(slices({3, 1 << 20}, {1, 1 << 20}), 1);
}

class Nests : public IsaTest {};
INSTANTIATE_TEST_SUITE_P(, Nests, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

TEST_P(Nests, CopyBoxes) {
  const CopyKernels& kernels = copyKernels(GetParam());
  struct Case {
    Axes box, to, from;
  };
  const Case cases[] = {
      {{2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}},
      {{2, 3, 4, 1}, {2, 3, 4, 15}, {2, 3, 4, 1}},
      {{2, 3, 2, 7}, {2, 8, 5, 9}, {3, 3, 4, 7}},
      {{70, 1001}, {70, 1003}, {71, 1001}},
      {{5}, {9}, {5}},
  };
  for (const Case& test : cases) {
    const Axes to = rowStrides(test.to), from = rowStrides(test.from);
    const auto nest = makeNest<2>(test.box, {to, from});
    const auto x = randomFloats(countOf(test.from), -1, 1, 1);
    const auto y = sameForThreads([&] {
      Guarded<float> in(x), out(std::vector<float>(countOf(test.to), 9.0f));
      kernels.copy(out.data(), in.data(), nest);
      return out.values();
    });
    std::vector<float> want(countOf(test.to), 9.0f);
    for (int64_t i = 0; i < countOf(test.box); ++i) {
      want[placeOf(i, test.box, to)] = x[placeOf(i, test.box, from)];
    }
    EXPECT_EQ(y, want);
  }
}

TEST_P(Nests, FillAndRepeat) {
  const CopyKernels& kernels = copyKernels(GetParam());
  for (const int64_t n : {0, 1, 17, 100003}) {
    Guarded<float> y(n);
    kernels.fill(y.data(), n, 1.5f);
    EXPECT_EQ(y.values(), std::vector<float>(n, 1.5f));
  }
  const Axes sizes{3, 4, 5, 1201};
  for (const Axes& own : {Axes{1, 4, 5, 1201}, Axes{3, 4, 1, 1}, Axes{1, 1, 1, 1}}) {
    const Axes strides = repeatedStrides(own);
    const auto x = randomFloats(countOf(own), -1, 1, 2);
    const auto y = sameForThreads([&] {
      Guarded<float> in(x), out(countOf(sizes));
      kernels.copy(out.data(), in.data(), makeNest<2>(sizes, {rowStrides(sizes), strides}));
      return out.values();
    });
    for (int64_t i = 0; i < countOf(sizes); ++i) ASSERT_EQ(y[i], x[placeOf(i, sizes, strides)]);
  }
}

TEST_P(Nests, Arithmetic) {
  const PointwiseKernels& kernels = pointwiseKernels(GetParam());
  const Axes sizes{2, 3, 7, 13};
  const Axes operands[] = {{2, 3, 7, 13}, {1, 3, 1, 1}, {2, 1, 1, 13}, {1, 1, 1, 1}, {2, 3, 1, 13}};
  for (const Axes& a : operands) {
    for (const Axes& b : operands) {
      if (countOf(a) != countOf(sizes) && countOf(b) != countOf(sizes)) continue;
      const Axes left = repeatedStrides(a), right = repeatedStrides(b);
      const auto nest = makeNest<3>(sizes, {rowStrides(sizes), left, right});
      const auto x = randomFloats(countOf(a), 1, 2, 3), other = randomFloats(countOf(b), 1, 2, 4);
      const auto run = [&](auto kernel) {
        return sameForThreads([&] {
          Guarded<float> first(x), second(other), out(countOf(sizes));
          kernel(first.data(), second.data(), out.data(), nest);
          return out.values();
        });
      };
      const auto sum = run(kernels.addNest), difference = run(kernels.subNest);
      const auto product = run(kernels.mulNest), quotient = run(kernels.divNest);
      for (int64_t i = 0; i < countOf(sizes); ++i) {
        const float p = x[placeOf(i, sizes, left)], q = other[placeOf(i, sizes, right)];
        ASSERT_EQ(sum[i], p + q);
        ASSERT_EQ(difference[i], p - q);
        ASSERT_EQ(product[i], p * q);
        ASSERT_EQ(quotient[i], p / q);
      }
    }
  }
}

TEST_P(Nests, SumsOverAxes) {
  const SumKernels& kernels = sumKernels(GetParam());
  struct Case {
    Axes x, sums;
  };
  const Case cases[] = {
      {{7}, {1}},
      {{300007}, {1}},
      {{5, 7, 3}, {5, 1, 3}},
      {{5, 1, 3}, {5, 1, 3}},
      {{41, 300}, {41, 1}},
      {{3000, 41}, {1, 41}},
      {{2, 3, 9, 16}, {1, 3, 1, 16}},
      {{2, 3, 9, 8, 16}, {2, 1, 9, 8, 1}},
      {{100, 3, 70, 17}, {1, 3, 1, 17}},
  };
  for (const Case& test : cases) {
    const SumNest nest = makeSumNest(test.x, test.sums);
    const Axes strides = repeatedStrides(test.sums);
    const auto x = randomFloats(countOf(test.x), -1, 1, 5);
    std::vector<double> want(countOf(test.sums));
    for (int64_t i = 0; i < countOf(test.x); ++i) want[placeOf(i, test.x, strides)] += x[i];
    const auto y = sameForThreads([&] {
      Guarded<float> in(x), out(countOf(test.sums));
      Guarded<double> partial(sumSlices(nest) * countOf(test.sums));
      kernels.sum(in.data(), out.data(), partial.data(), nest, 3.0);
      return out.values();
    });
    for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(y[i], want[i] / 3, 1e-5) << i;
  }
}

TEST_P(Nests, BordersAndTheirGradients) {
  using math::BorderMode;
  const CopyKernels& kernels = copyKernels(GetParam());
  for (const BorderMode mode : {BorderMode::Reflect, BorderMode::Replicate, BorderMode::Circular}) {
    for (const int64_t inner : {1, 3, 16}) {
      const math::Border border{mode, 3, 5, 4, inner, 4, 1, 0, 3};
      const int64_t size = 3 * 5 * 4 * inner, padded = 3 * 10 * 7 * inner;
      ASSERT_EQ(border.tall() * border.wide(), 70);
      const auto x = randomFloats(size, -1, 1, 6), gy = randomFloats(padded, -1, 1, 7);
      const auto y = sameForThreads([&] {
        Guarded<float> in(x), out(padded);
        kernels.extend(in.data(), out.data(), border);
        return out.values();
      });
      std::vector<float> want(size);
      for (int64_t i = 0; i < padded; ++i) {
        const int64_t pixel = i / inner, row = pixel / 7 % 10, column = pixel % 7;
        const int64_t source =
            ((pixel / 70 * 5 + border.row(row)) * 4 + border.column(column)) * inner + i % inner;
        ASSERT_EQ(y[i], x[source]);
        want[source] += gy[i];
      }
      const auto gx = sameForThreads([&] {
        Guarded<float> in(gy), out(size);
        kernels.extendGrad(in.data(), out.data(), border);
        return out.values();
      });
      for (int64_t i = 0; i < size; ++i) ASSERT_NEAR(gx[i], want[i], 1e-5) << i;
    }
  }
}

}  // namespace
}  // namespace neuronode
