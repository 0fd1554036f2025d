// Group normalisation and its gradient against float64.
#include "cpu/normalisation/group_norm.h"

#include <cmath>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::fromLayout;
using testing::Guarded;
using testing::randomFloats;
using testing::sameForThreads;
using testing::toLayout;

struct Case {
  int64_t n, c, hw, groups;
  float offset;  // of all of x: a mean that is large beside the deviation
  bool affine;
};
// Few images and many, groups in a block and across blocks, rows of a matrix.
const Case kCases[] = {{2, 6, 20, 2, 0, true},    {9, 32, 33, 16, 0, true}, {3, 40, 70, 1, 5, true},
                       {8, 13, 9, 13, 0, false},  {5, 20, 1, 4, 0, true},   {70, 67, 1, 1, 3, true},
                       {33, 96, 1, 3, 0, false},  {1, 1, 1, 1, 0, true},    {0, 4, 3, 2, 0, true},
                       {1, 48, 501, 3, 100, true}};

struct Want {
  std::vector<double> y, gx, mean, rstd, gweight, gbias;
};

struct Data {
  explicit Data(const Case& k)
      : x(randomFloats(k.n * k.c * k.hw, k.offset - 1, k.offset + 1, 1)),
        gy(randomFloats(k.n * k.c * k.hw, -1, 1, 2)),
        weight(randomFloats(k.c, 0.5, 1.5, 3)),
        bias(randomFloats(k.c, -1, 1, 4)) {}
  std::vector<float> x, gy, weight, bias;
};

constexpr double kEps = 1e-3;

Want wanted(const Case& k, const Data& d) {
  const int64_t size = k.c / k.groups * k.hw;
  Want want{std::vector<double>(d.x.size()),      std::vector<double>(d.x.size()),     {}, {},
            std::vector<double>(d.weight.size()), std::vector<double>(d.weight.size())};
  for (int64_t group = 0; group < k.n * k.groups; ++group) {
    const int64_t first = group * size;
    double mean = 0, variance = 0, sum = 0, product = 0;
    for (int64_t i = first; i < first + size; ++i) mean += d.x[i];
    mean /= static_cast<double>(size);
    for (int64_t i = first; i < first + size; ++i) variance += (d.x[i] - mean) * (d.x[i] - mean);
    const double rstd = 1 / std::sqrt(variance / static_cast<double>(size) + kEps);
    const auto channel = [&](int64_t i) { return i / k.hw % k.c; };
    const auto weight = [&](int64_t i) { return k.affine ? d.weight[channel(i)] : 1.0f; };
    for (int64_t i = first; i < first + size; ++i) {
      const double g = static_cast<double>(d.gy[i]) * weight(i), xhat = (d.x[i] - mean) * rstd;
      sum += g / static_cast<double>(size);
      product += g * xhat / static_cast<double>(size);
      want.y[i] = xhat * weight(i) + (k.affine ? d.bias[channel(i)] : 0.0f);
      want.gweight[channel(i)] += d.gy[i] * xhat;
      want.gbias[channel(i)] += d.gy[i];
    }
    for (int64_t i = first; i < first + size; ++i) {
      const double g = static_cast<double>(d.gy[i]) * weight(i);
      want.gx[i] = rstd * (g - sum - (d.x[i] - mean) * rstd * product);
    }
    want.mean.push_back(mean);
    want.rstd.push_back(rstd);
  }
  return want;
}

void expectNear(const std::vector<float>& got, const std::vector<double>& want, double tolerance,
                const char* what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], tolerance * std::max(1.0, std::abs(want[i]))) << what << ' ' << i;
  }
}

class GroupNormTest : public testing::IsaTest {};

TEST_P(GroupNormTest, ForwardAndGradientOfAnyLayout) {
  const GroupNormKernels& kernels = groupNormKernels(GetParam());
  for (const Case& k : kCases) {
    const Data d(k);
    const Want want = wanted(k, d);
    for (const int block : {1, 8, 16}) {
      SCOPED_TRACE(::testing::Message()
                   << k.n << 'x' << k.c << 'x' << k.hw << " in " << k.groups << " by " << block);
      const GroupNorm norm{{k.n, k.c, k.hw, block}, k.groups, kEps};
      Guarded<float> x(toLayout(d.x, norm.shape)), weight(d.weight), bias(d.bias);
      Guarded<float> mean(k.n * k.groups), rstd(k.n * k.groups);
      const auto y = sameForThreads([&] {
        Guarded<float> out(norm.shape.elements());
        Guarded<double> workspace(groupNormWorkspace(norm, false));
        kernels.forward({norm, x.data(), k.affine ? weight.data() : nullptr,
                         k.affine ? bias.data() : nullptr, out.data(), mean.data(), rstd.data(),
                         workspace.data()});
        return out.values();
      });
      // x - mean is rounded at the size of x.
      const double tolerance = 2e-6 * (1 + k.offset);
      expectNear(fromLayout(y, norm.shape), want.y, tolerance, "y");
      expectNear(mean.values(), want.mean, 1e-6, "mean");
      expectNear(rstd.values(), want.rstd, 1e-6, "rstd");

      Guarded<float> gy(toLayout(d.gy, norm.shape)), gweight(k.c), gbias(k.c);
      const auto backward = [&](bool wantsSums) {
        return sameForThreads([&] {
          Guarded<float> out(norm.shape.elements());
          Guarded<double> workspace(groupNormWorkspace(norm, true));
          kernels.backward({norm, gy.data(), x.data(), mean.data(), rstd.data(),
                            k.affine ? weight.data() : nullptr, out.data(),
                            wantsSums ? gweight.data() : nullptr,
                            wantsSums ? gbias.data() : nullptr, workspace.data()});
          return out.values();
        });
      };
      const auto gx = backward(true);
      expectNear(fromLayout(gx, norm.shape), want.gx, 2 * tolerance, "gx");
      expectNear(gweight.values(), want.gweight, 10 * tolerance, "gweight");
      expectNear(gbias.values(), want.gbias, 1e-6, "gbias");
      EXPECT_EQ(backward(false), gx);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, GroupNormTest, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

}  // namespace
}  // namespace neuronode
