// What the tests of the CPU kernels share: guarded buffers, layouts, thread counts.
#pragma once

#include <gtest/gtest.h>
#include <omp.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cpu/isa.h"
#include "cpu/plane_shape.h"

namespace neuronode::testing {

/// A buffer between guard bytes, aligned no better than its element, and full of garbage at first.
/// A write outside fails the test when the buffer goes.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t size) : size_(size), bytes_(size * sizeof(T) + 2 * kGuard, kFill) {}
  explicit Guarded(const std::vector<T>& values) : Guarded(static_cast<int64_t>(values.size())) {
    if (size_ > 0) std::memcpy(data(), values.data(), size_ * sizeof(T));
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    for (size_t i = 0; i < kGuard; ++i) {
      EXPECT_EQ(bytes_[i], kFill) << "written " << kGuard - i << " bytes before the buffer";
      EXPECT_EQ(bytes_[bytes_.size() - kGuard + i], kFill) << "written past the buffer";
    }
  }

  T* data() { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
  std::vector<T> values() { return {data(), data() + size_}; }

 private:
  // Aligned for T and for nothing larger.
  static constexpr size_t kGuard = sizeof(T) == 8 ? 56 : 60;
  static constexpr uint8_t kFill = 0xA5;
  int64_t size_;
  std::vector<uint8_t> bytes_;
};

/// Runs `run` with 1 to 4 threads, expects the same bytes each time and returns them.
template <class Run>
auto sameForThreads(Run run) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(1);
  const auto first = run();
  for (int threads = 2; threads <= 4; ++threads) {
    omp_set_num_threads(threads);
    const auto again = run();
    EXPECT_EQ(again.size(), first.size());
    const size_t bytes = first.size() * sizeof(first[0]);
    EXPECT_TRUE(bytes == 0 || std::memcmp(again.data(), first.data(), bytes) == 0)
        << threads << " threads gave other bits than one";
  }
  omp_set_num_threads(before);
  return first;
}

/// Uniform in [low, high], the same on every platform.
inline std::vector<float> randomFloats(int64_t count, float low, float high, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(count);
  for (float& v : values) {
    v = low + (high - low) * static_cast<float>(generator() >> 8) / 16777215.0f;
  }
  return values;
}

/// Plain [n, c, hw] to the layout of `shape`, padding lanes zero.
template <class T>
std::vector<T> toLayout(const std::vector<T>& plain, const PlaneShape& shape) {
  std::vector<T> blocked(shape.elements());
  const int64_t block = shape.block;
  for (int64_t i = 0; i < static_cast<int64_t>(plain.size()); ++i) {
    const int64_t pixel = i % shape.hw, c = i / shape.hw % shape.c, n = i / shape.hw / shape.c;
    blocked[((n * shape.groups() + c / block) * shape.hw + pixel) * block + c % block] = plain[i];
  }
  return blocked;
}

/// Back to plain; expects zeros in the padding lanes.
template <class T>
std::vector<T> fromLayout(const std::vector<T>& blocked, const PlaneShape& shape) {
  std::vector<T> plain(shape.n * shape.c * shape.hw);
  const int64_t block = shape.block;
  int64_t nonzero = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(blocked.size()); ++i) {
    const int64_t pixel = i / block % shape.hw, plane = i / block / shape.hw;
    const int64_t c = plane % shape.groups() * block + i % block, n = plane / shape.groups();
    if (c < shape.c) {
      plain[(n * shape.c + c) * shape.hw + pixel] = blocked[i];
    } else if (blocked[i] != T{}) {
      ++nonzero;
    }
  }
  EXPECT_EQ(nonzero, 0) << "padding lanes that are not zero";
  return plain;
}

/// Runs each test once for every instruction set that this processor has.
class IsaTest : public ::testing::TestWithParam<Isa> {};

inline std::vector<Isa> supportedIsas() {
  std::vector<Isa> isas;
  for (Isa isa : {Isa::Baseline, Isa::Avx2, Isa::Avx512}) {
    if (isaSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

inline std::string isaTestName(const ::testing::TestParamInfo<Isa>& info) {
  return isaName(info.param);
}

}  // namespace neuronode::testing
