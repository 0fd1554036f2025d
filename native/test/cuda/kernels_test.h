// What the tests of the CUDA kernels share: arrays in the device's memory, and a stream.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "../kernel_test.h"
#include "emulation/emulation.h"
#include "floats.h"
#include "handles.h"
#include "loading/libraries.h"
#include "math/bf16.h"
#include "status.h"

namespace neuronode::cuda::testing {

using neuronode::testing::randomFloats;

inline constexpr Storage kStorages[] = {Storage::F32, Storage::BF16};

inline const char* storageName(Storage storage) { return storage == Storage::F32 ? "f32" : "bf16"; }

// As memory of this storage holds them.
inline std::vector<float> rounded(std::vector<float> values, Storage storage) {
  if (storage == Storage::BF16) {
    for (float& v : values) v = math::roundToBf16(v);
  }
  return values;
}

// Device memory for exactly `count` elements, so that the emulation catches what lies outside.
// `shift` elements in front make it badly aligned.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(int64_t count, int64_t shift = 0)
      : count_(count), shift_(shift), memory_(makeDeviceMemory(bytes(count + shift))) {}
  explicit DeviceArray(const std::vector<T>& values, int64_t shift = 0)
      : DeviceArray(static_cast<int64_t>(values.size()), shift) {
    if (count_ == 0) return;
    NN_CHECK_CUDA(
        cudaMemcpy(at(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
    // A GPU's copy of ordinary memory may still be on its way, and our streams wait for none.
    if (!isEmulated()) NN_CHECK_CUDA(cudaDeviceSynchronize());
  }

  T* at() const { return static_cast<T*>(memory_.get()) + shift_; }
  int64_t count() const { return count_; }
  // After a synchronisation.
  std::vector<T> values() const {
    std::vector<T> copy(static_cast<size_t>(count_));
    if (count_ != 0) {
      NN_CHECK_CUDA(cudaMemcpy(copy.data(), at(), copy.size() * sizeof(T), cudaMemcpyDeviceToHost));
    }
    return copy;
  }

 private:
  static size_t bytes(int64_t count) {
    return std::max<size_t>(static_cast<size_t>(count) * sizeof(T), 1);
  }
  int64_t count_, shift_;
  DeviceMemory memory_;
};

// Floats of either storage.
class FloatArray {
 public:
  FloatArray(int64_t count, Storage storage, int64_t shift = 0)
      : FloatArray(storage, shift, std::vector<float>(static_cast<size_t>(count), NAN)) {}
  FloatArray(const std::vector<float>& values, Storage storage, int64_t shift = 0)
      : FloatArray(storage, shift, values) {}

  Floats floats() const {
    return storage_ == Storage::F32 ? Floats{wide_.at(), storage_} : Floats{half_.at(), storage_};
  }
  std::vector<float> values() const {
    if (storage_ == Storage::F32) return wide_.values();
    std::vector<float> values;
    for (const uint16_t bits : half_.values()) values.push_back(math::fromBf16(bits));
    return values;
  }

 private:
  FloatArray(Storage storage, int64_t shift, const std::vector<float>& values)
      : storage_(storage),
        wide_(storage == Storage::F32 ? values : std::vector<float>{}, shift),
        half_(storage == Storage::BF16 ? toBits(values) : std::vector<uint16_t>{}, shift) {}
  static std::vector<uint16_t> toBits(const std::vector<float>& values) {
    std::vector<uint16_t> bits;
    for (const float v : values) bits.push_back(math::toBf16(v));
    return bits;
  }
  Storage storage_;
  DeviceArray<float> wide_;
  DeviceArray<uint16_t> half_;
};

class KernelTest : public ::testing::Test {
 protected:
  KernelTest() {
    emulation::reset();
    stream_ = makeStream();
  }
  void TearDown() override {
    for (const std::string& text : emulation::violations()) ADD_FAILURE() << text;
  }

  cudaStream_t stream() const { return stream_.get(); }
  template <class Array>
  auto read(const Array& array) const {
    NN_CHECK_CUDA(cudaStreamSynchronize(stream_.get()));
    return array.values();
  }

 private:
  Stream stream_;
};

// The same bits, NaN equal to NaN of any bits, and 0 equal to -0.
inline ::testing::AssertionResult sameFloats(const std::vector<float>& got,
                                             const std::vector<float>& want) {
  if (got.size() != want.size()) {
    return ::testing::AssertionFailure() << got.size() << " values instead of " << want.size();
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const bool same = got[i] == want[i] || (got[i] != got[i] && want[i] != want[i]);
    if (!same) return ::testing::AssertionFailure() << got[i] << " for " << want[i] << " at " << i;
  }
  return ::testing::AssertionSuccess();
}

inline std::vector<double> wide(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// Within `relative` of the wanted value, or `absolute` near zero.
inline ::testing::AssertionResult nearFloats(const std::vector<float>& got,
                                             const std::vector<double>& want, double relative,
                                             double absolute) {
  if (got.size() != want.size()) {
    return ::testing::AssertionFailure() << got.size() << " values instead of " << want.size();
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const double bound = std::max(absolute, relative * std::abs(want[i]));
    if (!(std::abs(got[i] - want[i]) <= bound)) {
      return ::testing::AssertionFailure() << got[i] << " for " << want[i] << " at " << i;
    }
  }
  return ::testing::AssertionSuccess();
}

// What the CPU computed from the same source: its bits where the device is emulated. A GPU's
// compiler contracts products and sums, which moves the last bits, and with them now and then the
// rounding to bf16.
inline ::testing::AssertionResult sameResults(const std::vector<float>& got,
                                              const std::vector<float>& want,
                                              Storage storage = Storage::F32) {
  if (isEmulated()) return sameFloats(got, want);
  const double relative = storage == Storage::F32 ? 1e-5 : 1.0 / 128;
  if (got.size() != want.size()) return sameFloats(got, want);
  for (size_t i = 0; i < got.size(); ++i) {
    const bool same = got[i] == want[i] || (got[i] != got[i] && want[i] != want[i]);
    const double bound = std::max(1e-6, relative * std::abs(double{want[i]}));
    if (!same && !(std::abs(double{got[i]} - double{want[i]}) <= bound)) {
      return ::testing::AssertionFailure() << got[i] << " for " << want[i] << " at " << i;
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace neuronode::cuda::testing
