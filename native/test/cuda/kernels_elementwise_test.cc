// Element-wise kernels against the CPU's, bit by bit, at every alignment and storage.
#include <cmath>

#include "cpu/dropout.h"
#include "cpu/elementwise.h"
#include "kernels/elementwise.h"
#include "kernels_test.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::nearFloats;
using testing::randomFloats;
using testing::rounded;
using testing::sameFloats;
using testing::sameResults;
using testing::storageName;

constexpr int64_t kCounts[] = {0, 1, 3, 4, 5, 8, 15, 16, 17, 1000, 4099};

class CudaElementwise : public KernelTest {
 protected:
  const ElementwiseKernels& cpu_ = elementwiseKernels(Isa::Baseline);

  // gpu(a, b, y, count) against cpu(a, b, y, count) for every size, storage and alignment.
  template <class Gpu, class Cpu>
  void compare(Gpu gpu, Cpu cpu) {
    for (const int64_t count : kCounts) {
      for (const Storage in : kStorages) {
        for (const Storage out : kStorages) {
          for (const int64_t shift : {0, 1}) {
            SCOPED_TRACE(::testing::Message() << count << ' ' << storageName(in) << ' '
                                              << storageName(out) << " shift " << shift);
            const Storage second = shift == 0 ? in : out;
            auto a = rounded(values(count, 1), in), b = rounded(values(count, 2), second);
            std::vector<float> want(static_cast<size_t>(count));
            cpu(a.data(), b.data(), want.data(), count);
            const FloatArray x(a, in, shift), other(b, second), y(count, out, shift);
            gpu(x.floats(), other.floats(), y.floats(), count);
            EXPECT_TRUE(sameResults(read(y), rounded(want, out), out));
          }
        }
      }
    }
  }

  static std::vector<float> values(int64_t count, uint32_t seed) {
    auto result = randomFloats(count, -6, 6, seed);
    for (size_t i = 3; i < result.size(); i += 7) result[i] = 0.0f;
    for (size_t i = 5; i < result.size(); i += 11) result[i] = NAN;
    for (size_t i = 6; i < result.size(); i += 13) result[i] = -INFINITY;
    return result;
  }
};

TEST_F(CudaElementwise, Relu) {
  compare([&](Floats a, Floats, Floats y, int64_t n) { relu(stream(), a, y, n); },
          [&](float* a, float*, float* y, int64_t n) { cpu_.relu(a, y, n); });
}

TEST_F(CudaElementwise, ReluGrad) {
  compare([&](Floats a, Floats b, Floats y, int64_t n) { reluGrad(stream(), a, b, y, n); },
          [&](float* a, float* b, float* y, int64_t n) { cpu_.reluGrad(a, b, y, n); });
}

TEST_F(CudaElementwise, Sigmoid) {
  compare([&](Floats a, Floats, Floats y, int64_t n) { sigmoid(stream(), a, y, n); },
          [&](float* a, float*, float* y, int64_t n) { cpu_.sigmoid(a, y, n); });
}

TEST_F(CudaElementwise, SigmoidGrad) {
  compare([&](Floats a, Floats b, Floats y, int64_t n) { sigmoidGrad(stream(), a, b, y, n); },
          [&](float* a, float* b, float* y, int64_t n) { cpu_.sigmoidGrad(a, b, y, n); });
}

TEST_F(CudaElementwise, Add) {
  compare([&](Floats a, Floats b, Floats y, int64_t n) { add(stream(), a, b, y, n); },
          [&](float* a, float* b, float* y, int64_t n) { cpu_.add(a, b, y, n); });
}

TEST_F(CudaElementwise, WorksInPlace) {
  const auto x = values(1001, 3), gy = values(1001, 4);
  std::vector<float> want(1001);
  cpu_.reluGrad(gy.data(), x.data(), want.data(), 1001);
  const FloatArray grad(gy, Storage::F32), y(x, Storage::F32);
  reluGrad(stream(), grad.floats(), y.floats(), grad.floats(), 1001);
  EXPECT_TRUE(sameFloats(read(grad), want));
}

LayoutInfo pitched(int64_t pitch) { return {.rowPitch = pitch}; }

TEST_F(CudaElementwise, DropoutMasksAreTheCpus) {
  struct Case {
    LayoutInfo info;
    Shape shape;
  };
  const Case cases[] = {
      {{}, {1}},
      {{}, {4099}},
      {{}, {7, 64}},
      {pitched(16), {9, 10}},
      {{.order = Order::ChannelsLast}, {3, 5, 7, 3}},
      {{.order = Order::Features, .channels = 6}, {4, 54}},
  };
  for (const double p : {0.0, 0.25, 0.5, 1.0}) {
    for (const Case& k : cases) {
      for (const Storage storage : kStorages) {
        for (const int64_t shift : {0, 1}) {
          const IndexMap map = indexMap(k.info.as(storage), k.shape);
          SCOPED_TRACE(::testing::Message() << shapeString(k.shape) << " p " << p << ' '
                                            << storageName(storage) << " shift " << shift);
          const auto plain = rounded(randomFloats(map.plainCount, -1, 1, 1), storage);
          std::vector<float> dropped(plain.size());
          const DropoutMask mask{.p = p, .seed = 0x123456789abcdefull, .step = 77, .stream = 5};
          dropoutKernels(Isa::Baseline)
              .apply(plain.data(), dropped.data(), {1, map.plainCount, 1, 1}, mask);
          std::vector<float> laid(static_cast<size_t>(map.physicalCount), NAN), want(laid.size());
          for (int64_t i = 0; i < map.physicalCount; ++i) {
            const int64_t at = map.plainOf(i);
            if (at >= 0) laid[static_cast<size_t>(i)] = plain[static_cast<size_t>(at)];
            want[static_cast<size_t>(i)] = at < 0 ? 0.0f : dropped[static_cast<size_t>(at)];
          }
          const FloatArray x(laid, storage, shift), y(map.physicalCount, storage, shift);
          const DeviceArray<int32_t> step(std::vector<int32_t>{77});
          dropout(stream(), x.floats(), y.floats(), map, math::dropoutScalars(p),
                  {0x89abcdef, 0x1234567, 5}, step.at());
          EXPECT_TRUE(sameFloats(read(y), rounded(want, storage)));
        }
      }
    }
  }
}

TEST_F(CudaElementwise, BytesToFloatRoundAsTheCpu) {
  struct Case {
    LayoutInfo info;
    Shape shape;
  };
  const auto blocks = [](int64_t b, int64_t p, int64_t hs, int64_t ws) {
    return LayoutInfo{.order = Order::SpaceToDepth,
                      .blockH = b,
                      .blockW = b,
                      .padH = p,
                      .padW = p,
                      .extentH = hs,
                      .extentW = ws};
  };
  const Case cases[] = {
      {{}, {2, 1, 5, 7}},
      {{}, {2, 3, 4, 6}},
      {{}, {1, 3, 3, 3}},
      {{.order = Order::ChannelsLast}, {2, 3, 5, 6}},
      {{.order = Order::ChannelsLast}, {2, 1, 8, 8}},
      {blocks(4, 0, 6, 6), {2, 1, 24, 24}},  // words
      {blocks(4, 0, 5, 5), {2, 1, 24, 24}},  // the last pixels left out
      {blocks(4, 4, 8, 8), {1, 2, 24, 24}},  // words, padded
      {blocks(4, 2, 7, 7), {2, 3, 24, 24}},  // padding that cuts through words
      {blocks(4, 0, 6, 6), {1, 1, 23, 23}},  // an odd width
      {blocks(2, 1, 8, 8), {1, 3, 13, 13}},
      {blocks(3, 0, 3, 3), {1, 1, 9, 9}},  // 81 elements: a tail
  };
  for (const Case& k : cases) {
    for (const Storage storage : kStorages) {
      for (const int64_t shift : {0, 1}) {
        SCOPED_TRACE(::testing::Message()
                     << shapeString(k.shape) << ' ' << storageName(storage) << " shift " << shift);
        const IndexMap map = indexMap(k.info.as(storage), k.shape);
        const int64_t c = k.shape[1], pixels = k.shape[2] * k.shape[3];
        ToFloatScalars scalars{};
        scalars.channels = static_cast<int>(c);
        for (int i = 0; i < scalars.channels; ++i) {
          scalars.mean[i] = 0.2f + 0.1f * static_cast<float>(i);
          scalars.std[i] = 0.3f + 0.05f * static_cast<float>(i);
        }
        std::vector<float> table(static_cast<size_t>(c) * 256);
        buildByteTable(scalars.mean, scalars.std, c, table.data());
        std::vector<uint8_t> bytes(static_cast<size_t>(map.plainCount));
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 89 + 7);
        std::vector<float> plain(bytes.size()), want(static_cast<size_t>(map.physicalCount));
        cpu_.bytesToFloat(bytes.data(), plain.data(), k.shape[0], c, pixels, table.data());
        for (size_t i = 0; i < want.size(); ++i) {
          const int64_t at = map.plainOf(static_cast<int64_t>(i));
          want[i] = at < 0 ? 0.0f : plain[static_cast<size_t>(at)];
        }
        const DeviceArray<uint8_t> x(bytes, shift);
        const FloatArray y(map.physicalCount, storage, shift);
        toFloat(stream(), x.at(), y.floats(), map, pixels, scalars);
        EXPECT_TRUE(sameResults(read(y), rounded(want, storage), storage));
      }
    }
  }
}

TEST_F(CudaElementwise, BiasGradSumsColumns) {
  struct Case {
    int64_t rows, columns, pitch;
  };
  for (const Case& k : {Case{1, 1, 1}, Case{5, 10, 16}, Case{33, 96, 96}, Case{100, 100, 104},
                        Case{1000, 24, 24}, Case{31, 300, 300}, Case{20000, 8, 8}}) {
    for (const Storage storage : kStorages) {
      for (const int64_t shift : {0, 1}) {
        SCOPED_TRACE(::testing::Message()
                     << k.rows << " x " << k.columns << ' ' << storageName(storage) << shift);
        auto gy = rounded(randomFloats(k.rows * k.pitch, -1, 1, 1), storage);
        std::vector<double> want(static_cast<size_t>(k.columns), 0.0);
        for (int64_t r = 0; r < k.rows; ++r) {
          for (int64_t c = 0; c < k.pitch; ++c) {
            float& value = gy[static_cast<size_t>(r * k.pitch + c)];
            if (c >= k.columns) {
              value = NAN;  // padding, which nobody may read
            } else {
              want[static_cast<size_t>(c)] += value;
            }
          }
        }
        const FloatArray grad(gy, storage, shift);
        const DeviceArray<float> gb(k.columns), partial(biasGradWorkspace(k.rows, k.columns));
        biasGrad(stream(), grad.floats(), k.rows, k.columns, k.pitch, gb.at(), partial.at());
        const auto first = read(gb);
        // 1e-6 of what cancels: the sum of magnitudes is about half the rows.
        EXPECT_TRUE(nearFloats(first, want, 1e-6, 1e-6 * static_cast<double>(k.rows) / 2));
        emulation::seed(99);
        biasGrad(stream(), grad.floats(), k.rows, k.columns, k.pitch, gb.at(), partial.at());
        EXPECT_EQ(read(gb), first) << "another order of threads gave other bits";
      }
    }
  }
}

TEST_F(CudaElementwise, AddBiasAndRelu) {
  struct Case {
    int64_t rows, columns, pitch;
  };
  for (const Case& k : {Case{1, 1, 1}, Case{5, 10, 16}, Case{33, 96, 96}, Case{9, 8, 24}}) {
    for (const Storage storage : kStorages) {
      for (const int64_t shift : {0, 1}) {
        for (const bool withRelu : {false, true}) {
          const auto y = rounded(randomFloats(k.rows * k.pitch, -1, 1, 1), storage);
          const auto bias = randomFloats(k.columns, -1, 1, 2);
          std::vector<float> want = y;
          for (int64_t r = 0; r < k.rows; ++r) {
            for (int64_t c = 0; c < k.columns; ++c) {
              float& value = want[static_cast<size_t>(r * k.pitch + c)];
              value += bias[static_cast<size_t>(c)];
              if (withRelu && value < 0) value = 0;
            }
          }
          const FloatArray device(y, storage, shift);
          const DeviceArray<float> add(bias);
          addBias(stream(), device.floats(), add.at(), k.rows, k.columns, k.pitch, withRelu);
          EXPECT_TRUE(sameFloats(read(device), rounded(want, storage)));
        }
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
