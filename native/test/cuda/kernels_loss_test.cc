// The losses against the CPU's.
#include <algorithm>
#include <cmath>

#include "cpu/loss/element_loss.h"
#include "cpu/loss/loss.h"
#include "kernels_test.h"
#include "loss/element_loss.h"
#include "loss/loss.h"

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

struct Case {
  int64_t rows, columns, pitch;
};
const Case kCases[] = {{1, 1, 1},     {5, 10, 10},   {128, 10, 16},   {7, 33, 40},    {300, 3, 8},
                       {3, 128, 128}, {4, 129, 136}, {2, 1000, 1000}, {2, 4099, 4104}};

class CudaLoss : public KernelTest {
 protected:
  const LossKernels& cpu_ = lossKernels(Isa::Baseline);

  // Rows `pitch` apart, NaN between them.
  static std::vector<float> pitched(const std::vector<float>& dense, const Case& k, float fill) {
    std::vector<float> result(static_cast<size_t>(k.rows * k.pitch), fill);
    for (int64_t r = 0; r < k.rows; ++r) {
      for (int64_t c = 0; c < k.columns; ++c) {
        result[static_cast<size_t>(r * k.pitch + c)] =
            dense[static_cast<size_t>(r * k.columns + c)];
      }
    }
    return result;
  }
  // f32: the order of f64 sums differs. bf16: one rounding more.
  static double tolerance(Storage storage) { return storage == Storage::F32 ? 1e-6 : 1.0 / 256; }

  struct Result {
    float loss;
    int32_t correct;
    std::vector<float> gradient;
  };
  Result run(const std::vector<float>& logits, const std::vector<int32_t>& labels, int32_t count,
             bool sum, const Case& k, Storage storage, bool wantsGradient = true) {
    const FloatArray x(pitched(logits, k, NAN), storage);
    const FloatArray gradient(k.rows * k.pitch, storage);
    const DeviceArray<int32_t> label(labels), valid(std::vector<int32_t>{count}), correct(1),
        rowCorrect(k.rows);
    const DeviceArray<float> loss(1);
    const DeviceArray<double> rowLoss(k.rows + 1);
    ClassLoss args{};
    args.logits = x.floats();
    args.labels = label.at();
    args.count = valid.at();
    args.reduction = sum ? Reduction::Sum : Reduction::Mean;
    args.loss = loss.at();
    args.correct = correct.at();
    if (wantsGradient) args.gradient = gradient.floats();
    args.rows = k.rows, args.columns = k.columns, args.pitch = k.pitch;
    args.rowLoss = rowLoss.at();
    args.rowCorrect = rowCorrect.at();
    classLoss(stream(), args);
    return {read(loss)[0], read(correct)[0], wantsGradient ? read(gradient) : std::vector<float>{}};
  }
};

TEST_F(CudaLoss, CrossEntropyWithGradientAndAccuracy) {
  for (const Case& k : kCases) {
    for (const Storage storage : kStorages) {
      for (const bool sum : {false, true}) {
        for (const int64_t valid : {k.rows, (k.rows + 1) / 2}) {
          SCOPED_TRACE(::testing::Message() << k.rows << 'x' << k.columns << ' '
                                            << storageName(storage) << " of " << valid);
          auto dense = rounded(randomFloats(k.rows * k.columns, -9, 9, 1), storage);
          for (float& v : dense) v = std::round(v);  // rows with several largest logits
          std::vector<int32_t> labels;
          for (int64_t r = 0; r < k.rows; ++r) {
            // Often the first largest logit.
            const float* row = dense.data() + r * k.columns;
            const int64_t best = std::max_element(row, row + k.columns) - row;
            labels.push_back(static_cast<int32_t>(r % 3 == 0 ? r * 7 % k.columns : best));
          }
          float loss;
          int32_t correct;
          std::vector<float> gradient(dense.size());
          ASSERT_EQ(cpu_.classLoss({dense.data(), labels.data(), valid, k.rows, k.columns,
                                    sum ? Reduction::Sum : Reduction::Mean, &loss, &correct,
                                    gradient.data()}),
                    -1);
          const auto count = static_cast<int32_t>(valid);
          const Result got = run(dense, labels, count, sum, k, storage);
          EXPECT_NEAR(got.loss, loss, 1e-6 * std::abs(loss));
          EXPECT_EQ(got.correct, correct);
          EXPECT_TRUE(nearFloats(got.gradient, wide(pitched(gradient, k, 0)), tolerance(storage),
                                 storage == Storage::F32 ? 1e-8 : 1e-4));
          const Result alone = run(dense, labels, count, sum, k, storage, false);
          EXPECT_EQ(alone.loss, got.loss);
          EXPECT_EQ(alone.correct, got.correct);
        }
      }
    }
  }
}

// With every combination of options, against the CPU's.
TEST_F(CudaLoss, WeightsIgnoredRowsSmoothingAndTargets) {
  for (const Case& k : {Case{9, 10, 16}, Case{5, 129, 136}}) {
    const auto size = static_cast<size_t>(k.rows);
    const auto dense = randomFloats(k.rows * k.columns, -6, 6, 1);
    const auto targets = randomFloats(k.rows * k.columns, 0, 1, 2);
    const auto weights = randomFloats(k.columns, 0.5, 2, 3);
    std::vector<int32_t> labels;
    for (int64_t r = 0; r < k.rows; ++r) labels.push_back(static_cast<int32_t>(r * 3 % k.columns));
    labels[1] = -100;
    const FloatArray x(pitched(dense, k, NAN), Storage::F32);
    const DeviceArray<float> target(targets), weight(weights);
    const DeviceArray<int32_t> label(labels), count(std::vector<int32_t>{4});
    for (int options = 0; options < 16; ++options) {
      const bool hasTargets = options & 1, hasWeights = options & 2, smooths = options & 4;
      const bool areLogs = options & 8;
      if (areLogs && (hasTargets || smooths)) continue;
      for (const auto reduction : {Reduction::Mean, Reduction::Sum, Reduction::None}) {
        SCOPED_TRACE(::testing::Message() << k.columns << ' ' << options << ' ' << int(reduction));
        const bool isNone = reduction == Reduction::None;
        std::vector<float> loss(isNone ? size : 1), gradient(dense.size());
        int32_t correct;
        ClassLossArgs cpu{};
        cpu.logits = dense.data(), cpu.validRows = 4, cpu.n = k.rows, cpu.c = k.columns;
        cpu.reduction = reduction;
        cpu.loss = loss.data(), cpu.correct = &correct, cpu.grad = gradient.data();
        ClassLoss args{};
        const DeviceArray<float> ourLoss(isNone ? k.rows : 1);
        const DeviceArray<double> rowLoss(k.rows + 1);
        const DeviceArray<int32_t> ourCorrect(1), rowCorrect(k.rows);
        const FloatArray ours(k.rows * k.pitch, Storage::F32);
        args.logits = x.floats(), args.count = count.at(), args.reduction = reduction;
        args.loss = ourLoss.at(), args.correct = ourCorrect.at(), args.gradient = ours.floats();
        args.rows = k.rows, args.columns = k.columns, args.pitch = k.pitch;
        args.rowLoss = rowLoss.at(), args.rowCorrect = rowCorrect.at();
        if (hasTargets) {
          cpu.targets = targets.data(), args.targets = target.at();
        } else {
          cpu.labels = labels.data(), args.labels = label.at();
        }
        if (hasWeights) cpu.weights = weights.data(), args.weights = weight.at();
        cpu.ignoreIndex = args.ignoreIndex = -100;
        cpu.labelSmoothing = args.labelSmoothing = smooths ? 0.2 : 0.0;
        cpu.areLogs = args.areLogs = areLogs;
        ASSERT_EQ(cpu_.classLoss(cpu), -1);
        classLoss(stream(), args);
        EXPECT_TRUE(nearFloats(read(ourLoss), wide(loss), 1e-6, 1e-7));
        EXPECT_EQ(read(ourCorrect)[0], correct);
        EXPECT_TRUE(nearFloats(read(ours), wide(pitched(gradient, k, 0)), 2e-6, 1e-7));
      }
    }
  }
}

TEST_F(CudaLoss, ElementWiseAgainstTheCpu) {
  using Launch = void (*)(cudaStream_t, const ElementLoss&);
#define NN_LOSS_ROW(Formula, name) name,
  const Launch launches[] = {NN_ELEMENT_LOSSES(NN_LOSS_ROW)};
#undef NN_LOSS_ROW
  const ElementLossKernels& cpu = elementLossKernels(Isa::Baseline);
  for (size_t f = 0; f < std::size(launches); ++f) {
    for (const auto& [rows, elements] : {std::pair<int64_t, int64_t>{3, 1}, {7, 12}, {5, 5000}}) {
      for (const auto reduction : {Reduction::Mean, Reduction::Sum, Reduction::None}) {
        for (const bool weighted : {false, true}) {
          SCOPED_TRACE(::testing::Message() << f << ' ' << elements << ' ' << int(reduction));
          const bool isNone = reduction == Reduction::None;
          const int64_t all = rows * elements;
          const auto x = randomFloats(all, -9, 9, 1), target = randomFloats(all, 0, 1, 2);
          const RepeatedWeights repeated{nullptr, elements % 2 == 0 ? 2 : 1,
                                         elements % 2 == 0 ? elements / 2 : elements};
          const auto weights = randomFloats(repeated.length, 0.5, 2, 3);
          std::vector<float> loss(isNone ? static_cast<size_t>(all) : 1), gradient(x.size());
          ElementLossArgs wanted{};
          wanted.x = x.data(), wanted.target = target.data();
          wanted.validRows = rows - 1, wanted.rows = rows, wanted.rowElements = elements;
          wanted.reduction = reduction, wanted.parameter = 0.75f;
          wanted.loss = loss.data(), wanted.grad = gradient.data();
          const DeviceArray<float> ourX(x), ourTarget(target), ourWeights(weights);
          const DeviceArray<float> ourLoss(isNone ? all : 1), ours(all);
          const DeviceArray<double> sums(lossPieces(all));
          const DeviceArray<int32_t> count(std::vector<int32_t>{static_cast<int32_t>(rows - 1)});
          ElementLoss args{};
          args.x = ourX.at(), args.target = ourTarget.at(), args.count = count.at();
          args.reduction = reduction, args.parameter = 0.75f;
          args.loss = ourLoss.at(), args.gradient = ours.at(), args.sums = sums.at();
          args.rows = rows, args.rowElements = elements;
          if (weighted) {
            wanted.weights = wanted.parameters = args.weights = args.parameters = repeated;
            wanted.weights.at = wanted.parameters.at = weights.data();
            args.weights.at = args.parameters.at = ourWeights.at();
          }
          cpu.loss[f](wanted);
          launches[f](stream(), args);
          EXPECT_TRUE(nearFloats(read(ourLoss), wide(loss), 2e-6, 1e-7));
          EXPECT_TRUE(nearFloats(read(ours), wide(gradient), 2e-6, 1e-7));
        }
      }
    }
  }
}

TEST_F(CudaLoss, ElementWiseWithAnImpossibleCountIsNanWithoutGradient) {
  for (const int32_t number : {-1, 3}) {
    const DeviceArray<float> x({1, 2, 3, 4}), target({0, 0, 0, 0}), loss(1), gradient(4);
    const DeviceArray<double> sums(1);
    const DeviceArray<int32_t> count(std::vector<int32_t>{number});
    ElementLoss args{};
    args.x = x.at(), args.target = target.at(), args.count = count.at(), args.loss = loss.at();
    args.gradient = gradient.at(), args.sums = sums.at(), args.rows = 2, args.rowElements = 2;
    args.reduction = Reduction::Sum;
    mseLoss(stream(), args);
    EXPECT_TRUE(std::isnan(read(loss)[0]));
    EXPECT_EQ(read(gradient), std::vector<float>(4, 0.0f));
  }
}

TEST_F(CudaLoss, TheSameBitsInAnyOrderOfThreads) {
  const Case k{300, 10, 16};
  const auto dense = randomFloats(k.rows * k.columns, -3, 3, 5);
  const std::vector<int32_t> labels(300, 4);
  const Result first = run(dense, labels, 299, false, k, Storage::F32);
  for (uint64_t seed = 2; seed < 6; ++seed) {
    emulation::seed(seed);
    const Result again = run(dense, labels, 299, false, k, Storage::F32);
    EXPECT_EQ(again.loss, first.loss);
    EXPECT_EQ(again.gradient, first.gradient);
  }
}

TEST_F(CudaLoss, NanInALogitShows) {
  const Case k{2, 4, 4};
  const Result got = run({1, NAN, 3, 2, 1, 2, 3, 4}, {1, 3}, 2, false, k, Storage::F32);
  EXPECT_TRUE(std::isnan(got.loss));
  EXPECT_EQ(got.correct, 1);  // NaN is the maximum, but no answer; the other row's is right
  EXPECT_TRUE(std::isnan(got.gradient[0]));
  EXPECT_FALSE(std::isnan(got.gradient[4]));
}

TEST_F(CudaLoss, WithoutAnyRowTheMeanIsNanAndTheSumZero) {
  const Case k{3, 4, 4};
  const std::vector<float> dense(12, 1.0f);
  const Result mean = run(dense, {0, 1, 2}, 0, false, k, Storage::F32);
  EXPECT_TRUE(std::isnan(mean.loss));
  EXPECT_EQ(mean.correct, 0);
  EXPECT_EQ(mean.gradient, std::vector<float>(12, 0.0f));
  EXPECT_EQ(run(dense, {0, 1, 2}, 0, true, k, Storage::F32).loss, 0.0f);
}

TEST_F(CudaLoss, WrongLabelsAndCountsGiveNanAndNoGradient) {
  const Case k{3, 4, 8};
  const auto dense = randomFloats(12, -1, 1, 1);
  for (const int32_t label : {-1, 4, 1 << 30}) {
    const Result got = run(dense, {0, label, 2}, 3, false, k, Storage::F32);
    EXPECT_TRUE(std::isnan(got.loss));
    for (int i = 8; i < 16; ++i) EXPECT_EQ(got.gradient[static_cast<size_t>(i)], 0.0f);
    EXPECT_NE(got.gradient[0], 0.0f);
    // In a row that does not count it does no harm.
    EXPECT_FALSE(std::isnan(run(dense, {0, 1, label}, 2, false, k, Storage::F32).loss));
  }
  for (const int32_t count : {-1, 4}) {
    for (const bool sum : {false, true}) {
      const Result got = run(dense, {0, 1, 2}, count, sum, k, Storage::F32);
      EXPECT_TRUE(std::isnan(got.loss));
      EXPECT_EQ(got.correct, 0);
      EXPECT_EQ(got.gradient, std::vector<float>(24, 0.0f));
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
