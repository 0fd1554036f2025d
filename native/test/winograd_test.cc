// Winograd convolutions against naive ones in float64, for every instruction set that this
// processor has and for the 16-lane code without AVX-512; memory bounds; independence of threads.
#include "cpu/convolution/winograd/winograd.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

// The code that AVX-512 builds run, with 16 lanes, lowered to the baseline's registers.
#define NN_ISA lanes16
#define NN_WINOGRAD_LANES 16
#include "cpu/convolution/winograd/instance.h"

namespace neuronode {
namespace {

constexpr double kTolerance = 2e-5;  // largest error, relative to the largest reference value
constexpr std::size_t kGuardFloats = 64;
constexpr uint32_t kGuardBits = 0x7fa0beef;  // a NaN: whoever reads it spoils a result

// A 64-byte aligned buffer of exactly `count` floats between guards, all NaN to begin with.
class Buffer {
 public:
  explicit Buffer(std::size_t count) : count_(count), memory_(allocate(count + 2 * kGuardFloats)) {
    std::fill(memory_.get(), memory_.get() + count + 2 * kGuardFloats, guard());
  }

  float* data() { return memory_.get() + kGuardFloats; }
  const float* data() const { return memory_.get() + kGuardFloats; }
  std::size_t count() const { return count_; }

  bool guardsIntact() const {
    for (std::size_t i = 0; i < kGuardFloats; ++i) {
      uint32_t low, high;
      std::memcpy(&low, memory_.get() + i, sizeof low);
      std::memcpy(&high, memory_.get() + kGuardFloats + count_ + i, sizeof high);
      if (low != kGuardBits || high != kGuardBits) return false;
    }
    return true;
  }

 private:
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };

  static float guard() {
    float value;
    std::memcpy(&value, &kGuardBits, sizeof value);
    return value;
  }

  static float* allocate(std::size_t floats) {
    return static_cast<float*>(std::aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64));
  }

  std::size_t count_;
  std::unique_ptr<float, Free> memory_;
};

// A plain [n, c, h, w] array.
struct Array {
  int n, c, h, w;
  std::vector<double> values;

  Array(int n, int c, int h, int w)
      : n(n), c(c), h(h), w(w), values(static_cast<std::size_t>(n) * c * h * w) {}

  double& at(int i, int j, int y, int x) {
    return values[((static_cast<std::size_t>(i) * c + j) * h + y) * w + x];
  }
  double at(int i, int j, int y, int x) const { return const_cast<Array*>(this)->at(i, j, y, x); }
};

// Values that are exact in f32, so that the reference sees the same input.
Array randomArray(int n, int c, int h, int w, std::mt19937& random) {
  Array array(n, c, h, w);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (double& value : array.values) value = uniform(random);
  return array;
}

std::size_t blockedIndex(const Array& a, int lanes, int i, int j, int y, int x) {
  const int groups = (a.c + lanes - 1) / lanes;
  return (((static_cast<std::size_t>(i) * groups + j / lanes) * a.h + y) * a.w + x) * lanes +
         j % lanes;
}

std::size_t blockedCount(const Array& a, int lanes) {
  return static_cast<std::size_t>(a.n) * ((a.c + lanes - 1) / lanes) * lanes * a.h * a.w;
}

Buffer toBlocked(const Array& a, int lanes) {
  Buffer buffer(blockedCount(a, lanes));
  std::fill(buffer.data(), buffer.data() + buffer.count(), 0.0f);
  for (int i = 0; i < a.n; ++i)
    for (int j = 0; j < a.c; ++j)
      for (int y = 0; y < a.h; ++y)
        for (int x = 0; x < a.w; ++x)
          buffer.data()[blockedIndex(a, lanes, i, j, y, x)] = static_cast<float>(a.at(i, j, y, x));
  return buffer;
}

Buffer toPlain(const Array& a) {
  Buffer buffer(a.values.size());
  std::copy(a.values.begin(), a.values.end(), buffer.data());
  return buffer;
}

void expectPlain(const Buffer& actual, const Array& expected, const std::string& what) {
  double scale = 0, error = 0;
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    ASSERT_FALSE(std::isnan(actual.data()[i])) << what << " at " << i;
    scale = std::max(scale, std::abs(expected.values[i]));
    error = std::max(error, std::abs(actual.data()[i] - expected.values[i]));
  }
  EXPECT_LE(error, kTolerance * scale) << what;
  EXPECT_TRUE(actual.guardsIntact()) << what;
}

// Also expects zeros in the padding lanes: every lane of `actual` is compared.
void expectBlocked(const Buffer& actual, const Array& expected, int lanes,
                   const std::string& what) {
  Array padded(expected.n, (expected.c + lanes - 1) / lanes * lanes, expected.h, expected.w);
  Buffer plain(padded.values.size());
  std::size_t next = 0;
  for (int i = 0; i < padded.n; ++i)
    for (int j = 0; j < padded.c; ++j)
      for (int y = 0; y < padded.h; ++y)
        for (int x = 0; x < padded.w; ++x) {
          const float value = actual.data()[blockedIndex(expected, lanes, i, j, y, x)];
          if (j < expected.c) {
            padded.at(i, j, y, x) = expected.at(i, j, y, x);
          } else {
            ASSERT_EQ(value, 0.0f) << what << ": padding lane " << j;
          }
          plain.data()[next++] = value;
        }
  expectPlain(plain, padded, what);
  EXPECT_TRUE(actual.guardsIntact()) << what;
}

// Calls visit(i, k, c, y, x, kh, kw, inY, inX) for every multiplication of the convolution.
template <class Visit>
void forEachProduct(const WinogradShape& s, Visit visit) {
  for (int i = 0; i < s.n; ++i)
    for (int k = 0; k < s.k; ++k)
      for (int c = 0; c < s.c; ++c)
        for (int y = 0; y < s.outputH(); ++y)
          for (int x = 0; x < s.outputW(); ++x)
            for (int kh = 0; kh < s.kernel; ++kh)
              for (int kw = 0; kw < s.kernel; ++kw) {
                const int inY = y + kh - s.padH, inX = x + kw - s.padW;
                if (inY >= 0 && inY < s.h && inX >= 0 && inX < s.w) {
                  visit(i, k, c, y, x, kh, kw, inY, inX);
                }
              }
}

struct Problem {
  explicit Problem(const WinogradShape& s)
      : shape(s),
        random(20 * s.c + s.k + s.h),
        x(randomArray(s.n, s.c, s.h, s.w, random)),
        w(randomArray(s.k, s.c, s.kernel, s.kernel, random)),
        bias(randomArray(1, s.k, 1, 1, random)),
        gy(randomArray(s.n, s.k, s.outputH(), s.outputW(), random)) {}

  Array forward(bool withBias, bool relu) const {
    Array y(shape.n, shape.k, shape.outputH(), shape.outputW());
    forEachProduct(shape, [&](int i, int k, int c, int oy, int ox, int kh, int kw, int iy, int ix) {
      y.at(i, k, oy, ox) += x.at(i, c, iy, ix) * w.at(k, c, kh, kw);
    });
    const std::size_t plane = static_cast<std::size_t>(y.h) * y.w;
    for (std::size_t i = 0; i < y.values.size(); ++i) {
      if (withBias) y.values[i] += bias.values[i / plane % shape.k];
      if (relu) y.values[i] = std::max(y.values[i], 0.0);
    }
    return y;
  }

  Array inputGradient(bool masked) const {
    Array gx(shape.n, shape.c, shape.h, shape.w);
    forEachProduct(shape, [&](int i, int k, int c, int oy, int ox, int kh, int kw, int iy, int ix) {
      gx.at(i, c, iy, ix) += gy.at(i, k, oy, ox) * w.at(k, c, kh, kw);
    });
    for (std::size_t i = 0; masked && i < gx.values.size(); ++i) {
      if (x.values[i] <= 0) gx.values[i] = 0;
    }
    return gx;
  }

  Array weightGradient() const {
    Array gw(shape.k, shape.c, shape.kernel, shape.kernel);
    forEachProduct(shape, [&](int i, int k, int c, int oy, int ox, int kh, int kw, int iy, int ix) {
      gw.at(k, c, kh, kw) += gy.at(i, k, oy, ox) * x.at(i, c, iy, ix);
    });
    return gw;
  }

  Array biasGradient() const {
    Array gb(1, shape.k, 1, 1);
    const std::size_t plane = static_cast<std::size_t>(gy.h) * gy.w;
    for (std::size_t i = 0; i < gy.values.size(); ++i) {
      gb.values[i / plane % shape.k] += gy.values[i];
    }
    return gb;
  }

  WinogradShape shape;
  std::mt19937 random;
  Array x, w, bias, gy;
};

// Runs the passes of one problem, each in a workspace of exactly the size it asks for.
class Runner {
 public:
  Runner(const Problem& problem, const WinogradKernels& kernels)
      : problem_(problem), lanes_(kernels.lanes), conv_(problem.shape, kernels) {}

  Buffer forward(bool withBias, bool relu) const {
    const Buffer x = toBlocked(problem_.x, lanes_), w = toPlain(problem_.w);
    const Buffer bias = toPlain(problem_.bias);
    Buffer y(blockedCount(problem_.gy, lanes_)), workspace = workspaceFor(WinogradPass::Forward);
    conv_.forward(x.data(), w.data(), withBias ? bias.data() : nullptr, y.data(), relu,
                  workspace.data());
    EXPECT_TRUE(workspace.guardsIntact());
    return y;
  }

  Buffer inputGradient(bool masked) const {
    const Buffer gy = toBlocked(problem_.gy, lanes_), w = toPlain(problem_.w);
    const Buffer mask = toBlocked(problem_.x, lanes_);
    Buffer gx(mask.count()), workspace = workspaceFor(WinogradPass::InputGradient);
    conv_.inputGradient(gy.data(), w.data(), gx.data(), masked ? mask.data() : nullptr,
                        workspace.data());
    EXPECT_TRUE(workspace.guardsIntact());
    return gx;
  }

  // Into gw and, if not null, gb.
  void weightGradient(Buffer& gw, Buffer* gb) const {
    const Buffer x = toBlocked(problem_.x, lanes_), gy = toBlocked(problem_.gy, lanes_);
    Buffer workspace = workspaceFor(WinogradPass::WeightGradient);
    conv_.weightGradient(x.data(), gy.data(), gw.data(), gb != nullptr ? gb->data() : nullptr,
                         workspace.data());
    EXPECT_TRUE(workspace.guardsIntact());
  }

 private:
  Buffer workspaceFor(WinogradPass pass) const {
    return Buffer(conv_.workspaceBytes(pass) / sizeof(float));
  }

  const Problem& problem_;
  int lanes_;
  WinogradConv conv_;
};

std::vector<std::pair<std::string, const WinogradKernels*>> tables() {
  std::vector<std::pair<std::string, const WinogradKernels*>> all;
  for (Isa isa : {Isa::Baseline, Isa::Avx2, Isa::Avx512}) {
    if (isaSupported(isa)) all.emplace_back(isaName(isa), &winogradKernels(isa));
  }
  all.emplace_back("lanes16", &lanes16::kWinogradKernels);
  return all;
}

// n, c, k, h, w, kernel, padH, padW
const WinogradShape kShapes[] = {
    {1, 8, 8, 6, 6, 3, 0, 0},      // one whole tile and three cut ones
    {2, 16, 32, 12, 12, 3, 1, 1},  // whole tiles, channels in whole blocks
    {3, 5, 3, 7, 9, 3, 1, 1},      // nothing divides anything
    {1, 1, 1, 3, 3, 3, 0, 0},      // a single output
    {1, 1, 1, 1, 1, 3, 1, 1},      // a single input
    {2, 9, 17, 5, 13, 3, 2, 2},    // full convolution
    {1, 4, 6, 5, 4, 3, 3, 4},      // outputs that see only padding; the gradient crops
    {2, 33, 50, 10, 3, 3, 0, 1},   // padding in one direction
    {1, 270, 20, 8, 8, 3, 1, 1},   // inner dimension in two parts
    {1, 20, 270, 8, 8, 3, 1, 1},   // and of the gradient by input; several panel chunks
    {2, 16, 16, 8, 8, 5, 2, 2},    //
    {1, 24, 40, 9, 11, 5, 2, 2},   // odd outputs
    {3, 3, 5, 7, 6, 5, 0, 0},      //
    {1, 1, 1, 5, 5, 5, 0, 0},      //
    {2, 6, 10, 4, 9, 5, 1, 3},     //
    {1, 10, 7, 3, 5, 5, 4, 4},     // full convolution
    {3, 8, 8, 34, 33, 5, 2, 2},    // several blocks of tiles in the gradient by weights
    {2, 1, 800, 24, 22, 5, 2, 2},  // and in the other passes
};

std::string describe(const std::string& table, const WinogradShape& s) {
  return table + " n" + std::to_string(s.n) + " c" + std::to_string(s.c) + " k" +
         std::to_string(s.k) + " " + std::to_string(s.h) + "x" + std::to_string(s.w) + " kernel " +
         std::to_string(s.kernel) + " pad " + std::to_string(s.padH) + "," + std::to_string(s.padW);
}

TEST(Winograd, MatchesNaiveConvolution) {
  for (const WinogradShape& shape : kShapes) {
    const Problem problem(shape);
    const Array plain = problem.forward(false, false), fused = problem.forward(true, true);
    const Array biased = problem.forward(true, false);
    for (const auto& [name, table] : tables()) {
      const Runner runner(problem, *table);
      const std::string what = describe(name, shape);
      expectBlocked(runner.forward(false, false), plain, table->lanes, what);
      expectBlocked(runner.forward(true, false), biased, table->lanes, what + " bias");
      expectBlocked(runner.forward(true, true), fused, table->lanes, what + " bias relu");
    }
  }
}

TEST(Winograd, MatchesNaiveGradientByInput) {
  for (const WinogradShape& shape : kShapes) {
    const Problem problem(shape);
    const Array plain = problem.inputGradient(false), masked = problem.inputGradient(true);
    for (const auto& [name, table] : tables()) {
      const Runner runner(problem, *table);
      const std::string what = describe(name, shape);
      expectBlocked(runner.inputGradient(false), plain, table->lanes, what);
      expectBlocked(runner.inputGradient(true), masked, table->lanes, what + " masked");
    }
  }
}

TEST(Winograd, MatchesNaiveGradientByWeights) {
  for (const WinogradShape& shape : kShapes) {
    const Problem problem(shape);
    const Array gw = problem.weightGradient(), gb = problem.biasGradient();
    for (const auto& [name, table] : tables()) {
      const Runner runner(problem, *table);
      const std::string what = describe(name, shape);
      Buffer weights(gw.values.size()), bias(gb.values.size()), alone(gw.values.size());
      runner.weightGradient(weights, &bias);
      expectPlain(weights, gw, what + " gw");
      expectPlain(bias, gb, what + " gb");
      runner.weightGradient(alone, nullptr);
      expectPlain(alone, gw, what + " gw without gb");
    }
  }
}

void expectSameBits(const Buffer& a, const Buffer& b, const std::string& what) {
  ASSERT_EQ(a.count(), b.count());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.count() * sizeof(float)), 0) << what;
}

TEST(Winograd, SameBitsForEveryNumberOfThreads) {
  const int before = omp_get_max_threads();
  for (const WinogradShape& shape :
       {WinogradShape{3, 40, 72, 26, 25, 5, 2, 2}, WinogradShape{5, 70, 40, 15, 13, 3, 1, 1}}) {
    const Problem problem(shape);
    for (const auto& [name, table] : tables()) {
      const Runner runner(problem, *table);
      omp_set_num_threads(1);
      const Buffer y = runner.forward(true, true), gx = runner.inputGradient(true);
      Buffer gw(problem.w.values.size()), gb(problem.bias.values.size());
      runner.weightGradient(gw, &gb);
      for (int threads = 2; threads <= 4; ++threads) {
        omp_set_num_threads(threads);
        const std::string what = describe(name, shape) + " threads " + std::to_string(threads);
        expectSameBits(runner.forward(true, true), y, what + " forward");
        expectSameBits(runner.inputGradient(true), gx, what + " gradient by input");
        Buffer gw2(gw.count()), gb2(gb.count());
        runner.weightGradient(gw2, &gb2);
        expectSameBits(gw2, gw, what + " gradient by weights");
        expectSameBits(gb2, gb, what + " gradient by bias");
      }
    }
  }
  omp_set_num_threads(before);
}

TEST(Winograd, NotANumberPassesThroughRelu) {
  Problem problem({1, 8, 8, 6, 6, 3, 1, 1});
  problem.x.at(0, 3, 2, 2) = std::nan("");
  for (const auto& [name, table] : tables()) {
    const Buffer y = Runner(problem, *table).forward(true, true);
    const std::size_t index = blockedIndex(problem.gy, table->lanes, 0, 5, 2, 2);
    EXPECT_TRUE(std::isnan(y.data()[index])) << name;
  }
}

TEST(Winograd, RefusesOtherConvolutions) {
  EXPECT_TRUE(WinogradConv::supported({1, 8, 8, 6, 6, 3, 1, 1}));
  for (const WinogradShape& shape :
       {WinogradShape{1, 8, 8, 11, 11, 11, 0, 0}, WinogradShape{1, 8, 8, 6, 6, 1, 0, 0},
        WinogradShape{1, 8, 8, 2, 6, 3, 0, 0}, WinogradShape{1, 8, 8, 6, 6, 3, -1, 0},
        WinogradShape{0, 8, 8, 6, 6, 3, 1, 1}}) {
    EXPECT_FALSE(WinogradConv::supported(shape));
    EXPECT_THROW(WinogradConv{shape}, std::invalid_argument);
  }
}

}  // namespace
}  // namespace neuronode
