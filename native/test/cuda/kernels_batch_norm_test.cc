// Batch normalisation, channels-last: against the CPU's kernels on plain planes; and what is fused
// into it against the same pass without, followed by the arithmetic on the host.
#include "cpu/normalisation/batch_norm.h"
#include "kernels_test.h"
#include "normalisation/batch_norm.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::nearFloats;
using testing::randomFloats;
using testing::rounded;
using testing::sameResults;
using testing::storageName;
using testing::wide;

struct Case {
  int64_t rows, channels, pixels;
  int32_t real;

  int64_t count() const { return rows * channels * pixels; }
};

const Case kCases[] = {{5, 37, 21, 5}, {4, 3, 130, 3}, {2, 64, 1, 2}, {3, 5, 9, 0}};
constexpr double kEps = 1e-5;
constexpr math::Rectifier kRelu{.low = 0.0f}, kRelu6{0.0f, 0.5f};

std::vector<float> channelsLast(const std::vector<float>& x, const Case& k) {
  std::vector<float> y;
  for (int64_t n = 0; n < k.rows; ++n) {
    for (int64_t pixel = 0; pixel < k.pixels; ++pixel) {
      for (int64_t c = 0; c < k.channels; ++c) {
        y.push_back(x[(n * k.channels + c) * k.pixels + pixel]);
      }
    }
  }
  return y;
}

class CudaBatchNorm : public KernelTest {
 protected:
  // Calls check(case, storage).
  template <class Check>
  void forAll(Check check) {
    for (const Case& k : kCases) {
      for (const Storage storage : kStorages) {
        SCOPED_TRACE(::testing::Message() << k.channels << " channels, " << k.real << " of "
                                          << k.rows << " rows, " << storageName(storage));
        check(k, storage);
      }
    }
  }

  struct Forward {
    std::vector<float> y, mean, var;
  };
  // x and residual channels-last; no residual: empty.
  Forward forward(const Case& k, Storage in, Storage out, const std::vector<float>& x,
                  const std::vector<float>& residual = {}, math::Rectifier rectifier = {}) {
    const DeviceArray<int32_t> real(std::vector<int32_t>{k.real});
    const BatchNormImages images{k.rows, k.pixels, k.channels, real.at()};
    const FloatArray from(x, in), to(k.count(), out), other(residual, in);
    const DeviceArray<float> mean(k.channels), var(k.channels), weight(weight_), bias(bias_);
    const DeviceArray<double> workspace(
        static_cast<int64_t>(batchNormWorkspace(images) / sizeof(double)) + 1);
    batchMoments(stream(), images, from.floats(), mean.at(), var.at(), workspace.at());
    const BatchNormTail tail{residual.empty() ? nullptr : other.floats().at, rectifier};
    batchNormalise(stream(), images, {kEps, mean.at(), var.at(), weight.at(), bias.at()}, tail,
                   from.floats(), to.floats(), workspace.at());
    return {read(to), read(mean), read(var)};
  }

  struct Backward {
    std::vector<float> gx, gweight, gbias;
  };
  // y: the rectified output, or empty.
  Backward backward(const Case& k, Storage storage, bool ofBatch, const std::vector<float>& gy,
                    const std::vector<float>& x, const Forward& moments,
                    const std::vector<float>& y = {}, math::Rectifier rectifier = {}) {
    const DeviceArray<int32_t> real(std::vector<int32_t>{k.real});
    const BatchNormImages images{k.rows, k.pixels, k.channels, real.at()};
    const FloatArray upper(gy, storage), from(x, storage), mask(y, storage);
    const FloatArray to(k.count(), Storage::F32);
    const DeviceArray<float> mean(moments.mean), var(moments.var), weight(weight_);
    const DeviceArray<float> gweight(k.channels), gbias(k.channels);
    const DeviceArray<double> workspace(
        static_cast<int64_t>(batchNormWorkspace(images) / sizeof(double)) + 1);
    const Floats masked = y.empty() ? Floats{} : mask.floats();
    batchNormGrad(stream(), images, {kEps, mean.at(), var.at(), weight.at(), nullptr}, ofBatch,
                  {upper.floats(), masked, rectifier}, from.floats(), to.floats(), gweight.at(),
                  gbias.at(), workspace.at());
    return {read(to), read(gweight), read(gbias)};
  }

  std::vector<float> random(const Case& k, Storage storage, uint32_t seed) {
    return rounded(channelsLast(randomFloats(k.count(), -3, 4, seed), k), storage);
  }

  std::vector<float> weight_ = randomFloats(64, 0.5, 1.5, 91);
  std::vector<float> bias_ = randomFloats(64, -0.5, 0.5, 92);
};

TEST_F(CudaBatchNorm, IsTheCpus) {
  const BatchNormKernels& cpu = batchNormKernels(Isa::Baseline);
  for (const Case& k : kCases) {
    SCOPED_TRACE(k.channels);
    const auto x = randomFloats(k.count(), -3, 4, 1), gy = randomFloats(k.count(), -1, 1, 2);
    const PlaneShape shape{k.rows, k.channels, k.pixels, 1};
    const auto channels = static_cast<size_t>(k.channels);
    std::vector<float> y(x.size()), mean(channels), var(channels);
    std::vector<float> gx(x.size()), gweight(channels), gbias(channels);
    std::vector<double> workspace(neuronode::batchNormWorkspace(shape) / sizeof(double));
    cpu.forward({.shape = shape,
                 .eps = kEps,
                 .statistics = Statistics::Batch,
                 .rectifier = {},
                 .rows = k.real,
                 .x = x.data(),
                 .weight = weight_.data(),
                 .bias = bias_.data(),
                 .residual = nullptr,
                 .y = y.data(),
                 .mean = mean.data(),
                 .var = var.data(),
                 .workspace = workspace.data()});
    const auto last = channelsLast(x, k), upper = channelsLast(gy, k);
    const Forward got = forward(k, Storage::F32, Storage::F32, last);
    EXPECT_TRUE(nearFloats(got.y, wide(channelsLast(y, k)), 1e-5, 1e-5));
    EXPECT_TRUE(nearFloats(got.mean, wide(mean), 1e-6, 1e-6));
    EXPECT_TRUE(nearFloats(got.var, wide(var), 1e-6, 1e-6));
    for (const bool ofBatch : {true, false}) {
      cpu.backward({.shape = shape,
                    .eps = kEps,
                    .statistics = ofBatch ? Statistics::Batch : Statistics::Given,
                    .rectifier = {},
                    .rows = k.real,
                    .gy = gy.data(),
                    .x = x.data(),
                    .y = nullptr,
                    .mean = mean.data(),
                    .var = var.data(),
                    .weight = weight_.data(),
                    .bias = nullptr,
                    .gx = gx.data(),
                    .gweight = gweight.data(),
                    .gbias = gbias.data(),
                    .workspace = workspace.data()});
      const Backward back = backward(k, Storage::F32, ofBatch, upper, last, {y, mean, var});
      // Of no values the deviation is 1 / sqrt(eps).
      EXPECT_TRUE(nearFloats(back.gx, wide(channelsLast(gx, k)), 1e-5, 1e-5));
      EXPECT_TRUE(nearFloats(back.gweight, wide(gweight), 1e-5, 1e-4));
      EXPECT_TRUE(nearFloats(back.gbias, wide(gbias), 1e-5, 1e-4));
    }
  }
}

TEST_F(CudaBatchNorm, AddsAndRectifiesInTheSamePass) {
  forAll([&](const Case& k, Storage storage) {
    const auto x = random(k, storage, 3), residual = random(k, storage, 4);
    const std::vector<float> apart = forward(k, storage, Storage::F32, x).y;
    for (const bool adds : {true, false}) {
      for (const math::Rectifier rectifier : {kRelu, kRelu6, math::Rectifier{}}) {
        std::vector<float> want = apart;
        for (size_t i = 0; i < want.size(); ++i) {
          if (adds) want[i] += residual[i];
          if (rectifier.low == 0.0f && want[i] <= 0.0f) want[i] = 0.0f;
          if (rectifier.high == 0.5f && want[i] >= 0.5f) want[i] = 0.5f;
          const auto row = static_cast<int64_t>(i) / (k.channels * k.pixels);
          if (row >= k.real) want[i] = 0.0f;
        }
        const auto& added = adds ? residual : std::vector<float>{};
        const auto got = forward(k, storage, storage, x, added, rectifier).y;
        EXPECT_TRUE(sameResults(got, rounded(want, storage), storage));
      }
    }
  });
}

TEST_F(CudaBatchNorm, MasksWhatComesToTheGradient) {
  forAll([&](const Case& k, Storage storage) {
    const auto x = random(k, storage, 5), gy = random(k, storage, 6);
    const Forward moments = forward(k, storage, Storage::F32, x);
    for (const math::Rectifier rectifier : {kRelu, kRelu6}) {
      auto y = random(k, storage, 7);
      for (float& v : y) v = rectifier.value(v);
      auto masked = gy;
      for (size_t i = 0; i < gy.size(); ++i) {
        if (y[i] <= 0.0f || (rectifier.high == 0.5f && y[i] >= 0.5f)) masked[i] = 0.0f;
      }
      for (const bool ofBatch : {true, false}) {
        const Backward want = backward(k, storage, ofBatch, masked, x, moments);
        const Backward got = backward(k, storage, ofBatch, gy, x, moments, y, rectifier);
        EXPECT_TRUE(sameResults(got.gx, want.gx));
        EXPECT_TRUE(sameResults(got.gweight, want.gweight));
        EXPECT_TRUE(sameResults(got.gbias, want.gbias));
      }
    }
  });
}

}  // namespace
}  // namespace neuronode::cuda
