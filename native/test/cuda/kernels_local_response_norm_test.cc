// Local response normalisation, channels-last and plain, against the CPU's kernels on plain planes:
// the same bits in f32, and in bf16 what f32 arithmetic on the rounded inputs gives, rounded once.
#include "cpu/normalisation/local_response_norm.h"
#include "kernels_test.h"
#include "normalisation/local_response_norm.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::randomFloats;
using testing::rounded;
using testing::sameResults;
using testing::storageName;

struct Case {
  int64_t n, c, pixels;
  LocalResponseNormOptions options;

  int64_t count() const { return n * c * pixels; }
};

const Case kCases[] = {
    {2, 24, 35, {5, 1e-4, 0.75, 2.0}}, {1, 9, 20, {4, 0.5, 0.75, 1.0}},
    {2, 3, 7, {9, 1.0, 0.75, 1.0}},    {1, 16, 1, {3, 0.4, 1.3, 0.5}},
    {1, 1, 5, {5, 0.4, 0.5, 1.0}},     {1, 7, 6, {1, 0.4, 0.75, 0.0}},
};

// Plain [n, c, pixels] to [n, pixels, c].
std::vector<float> channelsLast(const std::vector<float>& x, const Case& k) {
  std::vector<float> y;
  for (int64_t n = 0; n < k.n; ++n) {
    for (int64_t pixel = 0; pixel < k.pixels; ++pixel) {
      for (int64_t c = 0; c < k.c; ++c) y.push_back(x[(n * k.c + c) * k.pixels + pixel]);
    }
  }
  return y;
}

class CudaLocalResponse : public KernelTest {
 protected:
  // Calls check(case, order, storage, channels-last) for everything; order(plain) is as it lies.
  template <class Check>
  void forAll(Check check) {
    for (const Case& k : kCases) {
      for (const Storage storage : kStorages) {
        for (const bool last : {true, false}) {
          SCOPED_TRACE(::testing::Message() << k.c << " channels, size " << k.options.size << ' '
                                            << storageName(storage) << (last ? " last" : " plain"));
          const ResponseShape shape{k.count(), k.c, last ? 1 : k.pixels, k.options};
          const auto order = [&](const std::vector<float>& plain) {
            return last ? channelsLast(plain, k) : plain;
          };
          check(k, shape, order, storage);
        }
      }
    }
  }

  const LocalResponseNormKernels& cpu_ = localResponseNormKernels(Isa::Baseline);
};

LocalResponseNorm cpuNorm(const Case& k) { return {{k.n, k.c, k.pixels, 1}, k.options, 1}; }

TEST_F(CudaLocalResponse, Forward) {
  forAll([&](const Case& k, const ResponseShape& shape, const auto& order, Storage storage) {
    const auto x = rounded(randomFloats(k.count(), -3, 3, 1), storage);
    std::vector<float> want(x.size()), scratch(localResponseNormScratch(cpuNorm(k), false));
    cpu_.forward(cpuNorm(k), x.data(), want.data(), scratch.data());
    const FloatArray from(order(x), storage), to(k.count(), storage);
    localResponseNorm(stream(), shape, from.floats(), to.floats());
    EXPECT_TRUE(sameResults(read(to), rounded(order(want), storage), storage));
  });
}

TEST_F(CudaLocalResponse, Gradient) {
  forAll([&](const Case& k, const ResponseShape& shape, const auto& order, Storage storage) {
    const auto x = rounded(randomFloats(k.count(), -3, 3, 1), storage);
    const auto gy = rounded(randomFloats(k.count(), -1, 1, 2), storage);
    std::vector<float> want(x.size()), scratch(localResponseNormScratch(cpuNorm(k), true));
    cpu_.backward(cpuNorm(k), gy.data(), x.data(), want.data(), scratch.data());
    const FloatArray upper(order(gy), storage), from(order(x), storage), to(k.count(), storage);
    const DeviceArray<float> terms(k.count());
    localResponseNormGrad(stream(), shape, upper.floats(), from.floats(), to.floats(), terms.at());
    EXPECT_TRUE(sameResults(read(to), rounded(order(want), storage), storage));
  });
}

}  // namespace
}  // namespace neuronode::cuda
