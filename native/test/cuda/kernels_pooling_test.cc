// Pooling, channels-last, against the CPU's kernels on plain planes: the same bits in f32, and in
// bf16 what f32 arithmetic on the rounded inputs gives, rounded once.
#include <cmath>

#include "cpu/pooling/pooling.h"
#include "kernels_test.h"
#include "pooling/pooling.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::randomFloats;
using testing::rounded;
using testing::sameFloats;
using testing::sameResults;
using testing::storageName;

struct Axis {
  int64_t in, kernel, stride, pad, dilation;
  bool ceil;

  // PyTorch's pooling_output_shape.
  int64_t out() const {
    const int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
    int64_t size = (span + (ceil ? stride - 1 : 0)) / stride + 1;
    if (ceil && (size - 1) * stride >= in + pad) --size;
    return size;
  }
};

struct Case {
  int64_t n, c;
  Axis h, w;

  PoolShape shape() const {
    return {n,        c,        h.in,     w.in,  h.out(), w.out(),    h.kernel,
            w.kernel, h.stride, w.stride, h.pad, w.pad,   h.dilation, w.dilation};
  }
  int64_t inputs() const { return n * c * h.in * w.in; }
  int64_t outputs() const { return n * c * h.out() * w.out(); }
};

// Channels that fill 16 bytes in both storages, in f32 alone, and in neither.
const Case kCases[] = {
    {2, 24, {26, 3, 2, 0, 1, false}, {25, 3, 2, 0, 1, false}},
    {2, 4, {8, 2, 2, 0, 1, false}, {9, 2, 2, 0, 1, false}},
    {2, 9, {7, 3, 2, 1, 1, true}, {8, 3, 2, 1, 1, true}},
    {1, 8, {6, 3, 1, 1, 1, false}, {5, 2, 3, 1, 1, true}},
    {1, 8, {11, 3, 2, 2, 2, false}, {9, 2, 1, 1, 3, false}},
    {1, 16, {6, 5, 4, 2, 1, true}, {5, 3, 1, 0, 1, false}},
    {1, 8, {19, 17, 1, 3, 1, false}, {18, 17, 2, 8, 1, false}},  // 289 cells: words as indices
    {1, 2, {19, 17, 1, 3, 1, false}, {18, 17, 2, 8, 1, false}},
    {1, 2, {17, 16, 1, 0, 1, false}, {17, 16, 1, 0, 1, false}},  // 256 cells: still bytes
    {3, 2, {1, 1, 1, 0, 1, false}, {1, 1, 1, 0, 1, false}},
    {1, 8, {1, 2, 1, 1, 2, false}, {4, 2, 2, 0, 1, false}},  // windows all in the padding
    {1, 8, {1, 1, 1, 1, 1, false}, {2, 1, 1, 2, 1, false}},  // and some of nothing but it
    {1, 8, {3, 2, 5, 0, 1, false}, {9, 2, 4, 0, 1, false}},  // cells in no window
};

// Plain [n, c, pixels] to channels-last and back.
template <class T>
std::vector<T> turned(const std::vector<T>& x, int64_t n, int64_t rows, int64_t columns) {
  std::vector<T> y(x.size());
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        y[static_cast<size_t>((i * columns + c) * rows + r)] =
            x[static_cast<size_t>((i * rows + r) * columns + c)];
      }
    }
  }
  return y;
}

class CudaPooling : public KernelTest {
 protected:
  const PoolingKernels& cpu_ = poolingKernels(Isa::Baseline);

  // Calls check(case, storage, shift) for everything.
  template <class Check>
  void forAll(Check check) {
    for (size_t i = 0; i < std::size(kCases); ++i) {
      for (const Storage storage : kStorages) {
        for (const int64_t shift : {0, 1}) {
          SCOPED_TRACE(::testing::Message()
                       << "case " << i << ' ' << storageName(storage) << " shift " << shift);
          check(kCases[i], storage, shift);
        }
      }
    }
  }
};

template <class T>
std::vector<T> toLast(const std::vector<T>& plain, const Case& k, int64_t pixels) {
  return turned(plain, k.n, k.c, pixels);
}

MaxPoolShape cpuShape(const Case& k) {
  return {k.n * k.c,  1,          k.h.in,     k.w.in,  k.h.out(), k.w.out(),    k.h.kernel,
          k.w.kernel, k.h.stride, k.w.stride, k.h.pad, k.w.pad,   k.h.dilation, k.w.dilation};
}

// Many ties, many values below zero, windows of -infinity, and NaN.
std::vector<float> coarse(int64_t count, uint32_t seed, bool special) {
  auto values = randomFloats(count, -4, 4, seed);
  for (float& v : values) v = std::round(v * 8) / 8;
  if (special) {
    for (size_t i = 3; i < values.size(); i += 5) values[i] = -INFINITY;
    for (size_t i = 7; i < values.size(); i += 31) values[i] = NAN;
  }
  return values;
}

TEST_F(CudaPooling, MaximaAndTheirGradients) {
  forAll([&](const Case& k, Storage storage, int64_t shift) {
    const MaxPoolShape shape = cpuShape(k);
    const int64_t inPixels = k.h.in * k.w.in, outPixels = k.h.out() * k.w.out();
    const bool words = maxPoolIndexBytes(shape) == 4;
    const auto x = coarse(k.inputs(), 1, true), gy = coarse(k.outputs(), 2, false);
    std::vector<float> y(gy.size());
    std::vector<uint8_t> bytes(gy.size());
    std::vector<int32_t> wide(gy.size());
    cpu_.maxPool(shape, x.data(), y.data(), words ? static_cast<void*>(wide.data()) : bytes.data());

    const FloatArray xDevice(toLast(x, k, inPixels), storage, shift);
    const FloatArray yDevice(k.outputs(), storage, shift);
    const DeviceArray<uint8_t> bytesDevice(words ? 0 : k.outputs(), shift);
    const DeviceArray<int32_t> wideDevice(words ? k.outputs() : 0, shift);
    const PoolIndices indices{
        words ? static_cast<void*>(wideDevice.at()) : static_cast<void*>(bytesDevice.at()), words};
    maxPool(stream(), k.shape(), xDevice.floats(), yDevice.floats(), indices);
    EXPECT_TRUE(sameFloats(read(yDevice), toLast(y, k, outPixels)));
    if (words) {
      EXPECT_EQ(read(wideDevice), toLast(wide, k, outPixels));
    } else {
      EXPECT_EQ(read(bytesDevice), toLast(bytes, k, outPixels));
    }
    const FloatArray alone(k.outputs(), storage, shift);
    maxPool(stream(), k.shape(), xDevice.floats(), alone.floats(), {});
    EXPECT_TRUE(sameFloats(read(alone), toLast(y, k, outPixels)));

    for (const bool masked : {false, true}) {
      std::vector<float> gx(x.size());
      cpu_.maxPoolGrad(shape, gy.data(), words ? static_cast<void*>(wide.data()) : bytes.data(),
                       masked ? y.data() : nullptr, gx.data());
      const FloatArray gyDevice(toLast(gy, k, outPixels), storage, shift);
      const FloatArray gxDevice(k.inputs(), storage, shift);
      maxPoolGrad(stream(), k.shape(), gyDevice.floats(), indices,
                  masked ? yDevice.floats() : Floats{}, gxDevice.floats());
      EXPECT_TRUE(sameFloats(read(gxDevice), rounded(toLast(gx, k, inPixels), storage)))
          << (masked ? "masked" : "");
    }
  });
}

TEST_F(CudaPooling, MaximumGradientAddsInTheCpusOrder) {
  const Case k{2, 8, {15, 3, 1, 1, 1, false}, {14, 3, 1, 1, 1, false}};
  const MaxPoolShape shape = cpuShape(k);
  const auto x = coarse(k.inputs(), 3, false), gy = randomFloats(k.outputs(), -1, 1, 4);
  std::vector<float> y(gy.size()), gx(x.size());
  std::vector<uint8_t> indices(gy.size());
  cpu_.maxPool(shape, x.data(), y.data(), indices.data());
  cpu_.maxPoolGrad(shape, gy.data(), indices.data(), nullptr, gx.data());
  const int64_t pixels = 15 * 14;
  const FloatArray gyDevice(toLast(gy, k, pixels), Storage::F32);
  const FloatArray gxDevice(k.inputs(), Storage::F32);
  const DeviceArray<uint8_t> at(toLast(indices, k, pixels));
  maxPoolGrad(stream(), k.shape(), gyDevice.floats(), {at.at(), false}, {}, gxDevice.floats());
  EXPECT_TRUE(sameFloats(read(gxDevice), toLast(gx, k, pixels)));
}

TEST_F(CudaPooling, Averages) {
  forAll([&](const Case& k, Storage storage, int64_t shift) {
    if (k.h.dilation != 1 || k.w.dilation != 1) return;  // PyTorch's averages know none
    for (const bool countPadding : {true, false}) {
      const AveragePoolShape shape{
          k.n * k.c, 1,
          averageWindows(k.h.in, k.h.out(), k.h.kernel, k.h.stride, k.h.pad, countPadding),
          averageWindows(k.w.in, k.w.out(), k.w.kernel, k.w.stride, k.w.pad, countPadding)};
      const auto x = rounded(randomFloats(k.inputs(), -1, 1, 1), storage);
      const auto gy = rounded(randomFloats(k.outputs(), -1, 1, 2), storage);
      std::vector<float> y(gy.size()), gx(x.size());
      cpu_.averagePool(shape, x.data(), y.data());
      cpu_.averagePoolGrad(shape, gy.data(), gx.data());
      const int64_t inPixels = k.h.in * k.w.in, outPixels = k.h.out() * k.w.out();
      const FloatArray xDevice(toLast(x, k, inPixels), storage, shift);
      const FloatArray gyDevice(toLast(gy, k, outPixels), storage, shift);
      const FloatArray yDevice(k.outputs(), storage, shift), gxDevice(k.inputs(), storage, shift);
      PoolShape pool = k.shape();
      pool.countIncludePad = countPadding;
      avgPool(stream(), pool, xDevice.floats(), yDevice.floats());
      avgPoolGrad(stream(), pool, gyDevice.floats(), gxDevice.floats());
      EXPECT_TRUE(sameResults(read(yDevice), rounded(toLast(y, k, outPixels), storage), storage));
      EXPECT_TRUE(sameResults(read(gxDevice), rounded(toLast(gx, k, inPixels), storage), storage));
    }
  });
}

TEST_F(CudaPooling, AdaptiveAverages) {
  struct Bins {
    int64_t n, c, h, w, oh, ow;
  };
  for (const Bins& b : {Bins{2, 8, 5, 7, 3, 7}, Bins{2, 20, 13, 13, 1, 1}, Bins{1, 3, 3, 10, 5, 4},
                        Bins{1, 8, 1, 1, 3, 1}, Bins{2, 16, 6, 9, 6, 2}, Bins{1, 4, 7, 5, 4, 11}}) {
    for (const Storage storage : kStorages) {
      SCOPED_TRACE(::testing::Message() << b.h << 'x' << b.w << ' ' << storageName(storage));
      const AveragePoolShape shape{b.n * b.c, 1, adaptiveWindows(b.h, b.oh),
                                   adaptiveWindows(b.w, b.ow)};
      const int64_t in = b.n * b.c * b.h * b.w, out = b.n * b.c * b.oh * b.ow;
      const auto x = rounded(randomFloats(in, -1, 1, 1), storage);
      const auto gy = rounded(randomFloats(out, -1, 1, 2), storage);
      std::vector<float> y(gy.size()), gx(x.size());
      cpu_.averagePool(shape, x.data(), y.data());
      cpu_.averagePoolGrad(shape, gy.data(), gx.data());
      const FloatArray xDevice(turned(x, b.n, b.c, b.h * b.w), storage);
      const FloatArray gyDevice(turned(gy, b.n, b.c, b.oh * b.ow), storage);
      const FloatArray yDevice(out, storage), gxDevice(in, storage);
      PoolShape pool{};
      pool.n = b.n, pool.c = b.c, pool.h = b.h, pool.w = b.w, pool.oh = b.oh, pool.ow = b.ow;
      adaptiveAvgPool(stream(), pool, xDevice.floats(), yDevice.floats());
      adaptiveAvgPoolGrad(stream(), pool, gyDevice.floats(), gxDevice.floats());
      EXPECT_TRUE(
          sameResults(read(yDevice), rounded(turned(y, b.n, b.c, b.oh * b.ow), storage), storage));
      EXPECT_TRUE(
          sameResults(read(gxDevice), rounded(turned(gx, b.n, b.c, b.h * b.w), storage), storage));
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
