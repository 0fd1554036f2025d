// Bias gradients and biases.
#include <cmath>

#include "kernels/bias.h"
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
using testing::storageName;

using CudaBias = KernelTest;

TEST_F(CudaBias, BiasGradSumsColumns) {
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

TEST_F(CudaBias, AddBiasAndRelu) {
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
