// One stream of random numbers of several distributions, as PyTorch draws them on the CPU:
// Tensor.uniform_, Tensor.normal_ and torch.nn.init.trunc_normal_ for contiguous f32.
// ts/src/random/stream.ts draws the same, bit for bit.
#pragma once

#include <cstddef>
#include <limits>
#include <variant>

#include "math/mt19937.h"

namespace neuronode::math {

struct Uniform {
  double from, to;  // [from, to)
};

struct Normal {
  double mean, std;
};

// A normal distribution whose numbers outside [from, to] are drawn again.
struct TruncatedNormal {
  double mean, std, from, to;
  // How: by normal numbers until all are inside, or by uniform ones until all are accepted.
  bool byNormals;
};

using Distribution = std::variant<Uniform, Normal, TruncatedNormal>;

struct RandomStream {
  Mt19937 bits;
  // The second of two normal numbers that were drawn one by one; NaN where there is none.
  double spare = std::numeric_limits<double>::quiet_NaN();

  void fill(float* out, size_t count, const Distribution& distribution);

 private:
  void fillNormal(float* out, size_t count, const Normal& normal);
  void fillTruncated(float* out, size_t count, const TruncatedNormal& normal);
  void fillAccepted(float* out, size_t count, const TruncatedNormal& normal);
  double nextNormal();
  double nextDouble();
  template <typename Take>
  void drawNormal(size_t count, const Normal& normal, const Take& take);
};

}  // namespace neuronode::math
