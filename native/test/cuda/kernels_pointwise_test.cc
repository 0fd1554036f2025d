// Kernels that work element by element against the CPU's, bit by bit, at every alignment and
// storage.
#include <cmath>

#include "cpu/pointwise/pointwise.h"
#include "kernels_test.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {
namespace {

using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::randomFloats;
using testing::rounded;
using testing::sameFloats;
using testing::sameResults;
using testing::storageName;

constexpr int64_t kCounts[] = {0, 1, 3, 4, 5, 8, 15, 16, 17, 1000, 4099};

class CudaPointwise : public KernelTest {
 protected:
  const PointwiseKernels& cpu_ = pointwiseKernels(Isa::Baseline);

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

#define NN_ACTIVATION_ROW(Formula, name, ...)                                                     \
  TEST_F(CudaPointwise, Formula) {                                                                \
    compare([&](Floats a, Floats, Floats y, int64_t n) { name(stream(), a, y, n, 0.5f); },        \
            [&](float* a, float*, float* y, int64_t n) { cpu_.name(a, y, n, 0.5f); });            \
  }                                                                                               \
  TEST_F(CudaPointwise, Formula##Grad) {                                                          \
    compare(                                                                                      \
        [&](Floats a, Floats b, Floats y, int64_t n) { name##Grad(stream(), a, b, y, n, 0.5f); }, \
        [&](float* a, float* b, float* y, int64_t n) { cpu_.name##Grad(a, b, y, n, 0.5f); });     \
  }
#define NN_ARITHMETIC_ROW(Formula, name)                                                  \
  TEST_F(CudaPointwise, Formula) {                                                        \
    compare([&](Floats a, Floats b, Floats y, int64_t n) { name(stream(), a, b, y, n); }, \
            [&](float* a, float* b, float* y, int64_t n) { cpu_.name(a, b, y, n); });     \
  }
NN_ACTIVATIONS(NN_ACTIVATION_ROW)
NN_ARITHMETIC(NN_ARITHMETIC_ROW)

TEST_F(CudaPointwise, AddWithReluAndItsGradient) {
  for (const math::Rectifier rectifier : {math::Rectifier{.low = 0.0f}, {0.0f, 6.0f}}) {
    compare(
        [&](Floats a, Floats b, Floats y, int64_t n) {
          addRectified(stream(), a, b, y, n, rectifier);
        },
        [&](float* a, float* b, float* y, int64_t n) { cpu_.addRectified(a, b, y, n, rectifier); });
    // The second term is the mask as well.
    compare(
        [&](Floats a, Floats b, Floats y, int64_t n) {
          addMasked(stream(), a, b, b, y, n, rectifier);
        },
        [&](float* a, float* b, float* y, int64_t n) { cpu_.addMasked(a, b, b, y, n, rectifier); });
  }
}

TEST_F(CudaPointwise, WorksInPlace) {
  const auto x = values(1001, 3), gy = values(1001, 4);
  std::vector<float> want(1001);
  cpu_.reluGrad(gy.data(), x.data(), want.data(), 1001, 0);
  const FloatArray grad(gy, Storage::F32), y(x, Storage::F32);
  reluGrad(stream(), grad.floats(), y.floats(), grad.floats(), 1001);
  EXPECT_TRUE(sameFloats(read(grad), want));
}

}  // namespace
}  // namespace neuronode::cuda
