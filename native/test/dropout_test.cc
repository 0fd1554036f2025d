// Dropout against a mask drawn element by element in plain order.
#include "cpu/dropout/dropout.h"

#include <array>

#include "kernel_test.h"
#include "math/philox.h"

namespace neuronode {
namespace {

using testing::fromLayout;
using testing::Guarded;
using testing::IsaTest;
using testing::randomFloats;
using testing::sameForThreads;
using testing::toLayout;

using Counter = std::array<uint32_t, 4>;
using Key = std::array<uint32_t, 2>;

Counter sharedPhilox(Counter counter, Key key) {
  uint64_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  math::philox(c0, c1, c2, c3, key[0], key[1], math::MultiplyLow32{});
  return {static_cast<uint32_t>(c0), static_cast<uint32_t>(c1), static_cast<uint32_t>(c2),
          static_cast<uint32_t>(c3)};
}

/// Written from the paper, apart from the code under test.
Counter paperPhilox(Counter c, Key key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0], b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return c;
}

struct KnownAnswer {
  Counter counter;
  Key key;
  Counter answer;
};

// philox4x32-10 in Random123's kat_vectors.
const KnownAnswer kKnownAnswers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};

TEST(Philox, KnownAnswers) {
  for (const KnownAnswer& known : kKnownAnswers) {
    EXPECT_EQ(sharedPhilox(known.counter, known.key), known.answer);
    EXPECT_EQ(paperPhilox(known.counter, known.key), known.answer);
  }
}

std::vector<float> reference(const std::vector<float>& x, const DropoutMask& mask) {
  std::vector<float> y(x.size());
  for (size_t e = 0; e < x.size(); ++e) {
    const uint64_t quad = e / 4;
    const Counter words = paperPhilox(
        {static_cast<uint32_t>(quad), static_cast<uint32_t>(quad >> 32), mask.step, mask.stream},
        {static_cast<uint32_t>(mask.seed), static_cast<uint32_t>(mask.seed >> 32)});
    const double uniform = (words[e % 4] >> 8) / 16777216.0;
    y[e] = uniform >= mask.p ? x[e] * static_cast<float>(1.0 / (1.0 - mask.p)) : 0.0f;
  }
  return y;
}

class Dropout : public IsaTest {
 protected:
  std::vector<float> apply(const std::vector<float>& x, const PlaneShape& shape,
                           const DropoutMask& mask) {
    return sameForThreads([&] {
      Guarded<float> in(x), out(shape.elements());
      kernels_.apply(in.data(), out.data(), shape, mask);
      return out.values();
    });
  }
  const DropoutKernels& kernels_ = dropoutKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, Dropout, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

const DropoutMask kMask{0.3, 0x123456789abcdef0u, 41, 3};

TEST_P(Dropout, FollowsTheMaskInPlainOrder) {
  for (int64_t n : {0, 1, 3, 4, 7, 8, 9, 255, 257, 4097, 1000003}) {
    const auto x = randomFloats(n, -1, 1, 1);
    EXPECT_EQ(apply(x, {n, 1, 1, 1}, kMask), reference(x, kMask)) << n;
  }
}

TEST_P(Dropout, MaskDoesNotDependOnTheLayout) {
  for (int block : {1, 8, 16}) {
    for (const auto& [n, c, hw] :
         {std::array<int64_t, 3>{1, 1, 1}, {3, 11, 7}, {2, 16, 900}, {5, 21, 529}, {4, 8, 4}}) {
      const PlaneShape shape{n, c, hw, block};
      const auto plain = randomFloats(n * c * hw, 1, 2, 2);
      const auto y = apply(toLayout(plain, shape), shape, kMask);
      EXPECT_EQ(fromLayout(y, shape), reference(plain, kMask)) << block << ' ' << c << ' ' << hw;
    }
  }
}

TEST_P(Dropout, EveryPartOfTheKeyMatters) {
  const auto x = randomFloats(1000, 1, 2, 3);
  const auto y = apply(x, {1000, 1, 1, 1}, kMask);
  for (int part = 0; part < 4; ++part) {
    DropoutMask other = kMask;
    if (part == 0) other.seed += 1;
    if (part == 1) other.seed += uint64_t{1} << 32;
    if (part == 2) other.step += 1;
    if (part == 3) other.stream += 1;
    EXPECT_NE(apply(x, {1000, 1, 1, 1}, other), y) << part;
  }
}

TEST_P(Dropout, KeepsTheExpectedShare) {
  const std::vector<float> ones(400000, 1.0f);
  for (double p : {0.1, 0.5, 0.9}) {
    DropoutMask mask = kMask;
    mask.p = p;
    int64_t kept = 0;
    for (float v : apply(ones, {400000, 1, 1, 1}, mask)) kept += v != 0.0f;
    // Five standard deviations.
    EXPECT_NEAR(kept / 400000.0, 1 - p, 5 * std::sqrt(p * (1 - p) / 400000.0));
  }
}

TEST_P(Dropout, ZeroCopiesAndOneClears) {
  for (int block : {1, 8}) {
    const PlaneShape shape{4, 11, 1001, block};
    const auto x = toLayout(randomFloats(4 * 11 * 1001, 1, 2, 4), shape);
    DropoutMask mask = kMask;
    mask.p = 0;
    EXPECT_EQ(apply(x, shape, mask), x);
    mask.p = 1;
    EXPECT_EQ(apply(x, shape, mask), std::vector<float>(x.size(), 0.0f));
  }
}

TEST_P(Dropout, WorksInPlace) {
  for (int block : {1, 16}) {
    const PlaneShape shape{2, 19, 333, block};
    const auto x = toLayout(randomFloats(2 * 19 * 333, 1, 2, 5), shape);
    Guarded<float> inPlace(x);
    kernels_.apply(inPlace.data(), inPlace.data(), shape, kMask);
    EXPECT_EQ(inPlace.values(), apply(x, shape, kMask));
  }
}

}  // namespace
}  // namespace neuronode
