// Matrix products against float64, and the same bits on any number of threads.
#include "cpu/linear/tiled_gemm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "kernel_test.h"

namespace neuronode::testing {
namespace {

TEST(TiledGemm, AgreesWithFloat64AndIsTheSameOnAnyNumberOfThreads) {
  const std::array<int64_t, 3> sizes[] = {{1, 1, 1},       {3, 5, 7},      {128, 70, 33},
                                          {70, 200, 2000}, {200, 10, 129}, {2, 513, 64},
                                          {1100, 70, 3}};
  for (auto [m, n, k] : sizes) {
    const auto a = randomFloats(m * k, -1, 1, 1), b = randomFloats(k * n, -1, 1, 2);
    for (const bool transposeA : {false, true}) {
      for (const bool transposeB : {false, true}) {
        const auto c = sameForThreads([&] {
          Guarded<float> left(a), right(b), out(m * n);
          tiledGemm({transposeA, transposeB, m, n, k}, 0.5f, left.data(), right.data(), out.data());
          return out.values();
        });
        double worst = 0, largest = 0;
        for (int64_t i = 0; i < m; ++i) {
          for (int64_t j = 0; j < n; ++j) {
            double sum = 0;
            for (int64_t l = 0; l < k; ++l) {
              sum += static_cast<double>(a[transposeA ? l * m + i : i * k + l]) *
                     b[transposeB ? j * k + l : l * n + j];
            }
            worst = std::max(worst, std::abs(0.5 * sum - c[i * n + j]));
            largest = std::max(largest, std::abs(0.5 * sum));
          }
        }
        EXPECT_LT(worst, 2e-6 * largest) << m << " " << n << " " << k;
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::testing
