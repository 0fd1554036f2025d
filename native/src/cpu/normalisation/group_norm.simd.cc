// Group and layer normalisation; see cpu/normalisation/group_norm.h.
//
// Where channels have pixels, each channel is summed, the sums of a group's channels are added, and
// each channel is worked out by factors of its own. A matrix is worked out row by row.
#include "cpu/normalisation/group_norm.h"

#include <algorithm>

#include "cpu/parallel.h"
#include "math/group_norm.h"

namespace neuronode::NN_ISA {
namespace {

/// Sums that are worked out side by side.
constexpr int kLanes = 16;

struct Sums {
  double first = 0.0, second = 0.0;
};

/// value(i) gives a pair of floats; the sums of both over [0, n), for each of V lanes.
template <int V, class Value>
[[gnu::always_inline]] inline void sumPairs(int64_t n, Sums (&sums)[V], Value value) {
  constexpr int W = V == 1 ? kLanes : V;
  double first[W] = {}, second[W] = {};
  int64_t i = 0;
  for (; i + W <= n; i += W) {
#pragma omp simd
    for (int k = 0; k < W; ++k) {
      const auto [a, b] = value(i + k);
      first[k] += a;
      second[k] += b;
    }
  }
  for (int k = 0; i < n; ++i, ++k) {
    const auto [a, b] = value(i);
    first[k] += a;
    second[k] += b;
  }
  for (int k = 0; k < W; ++k) {
    sums[k % V].first += first[k];
    sums[k % V].second += second[k];
  }
}

struct Pair {
  double first, second;
};

// --- Channels of pixels -----------------------------------------------------------------------

/// What a block of channels of one image is worked out by.
template <int V>
struct Factors {
  alignas(64) float mean[V], scale[V], shift[V], slope[V];
};

/// Calls sums(image, block), then groups(image), then results(image, block): an image after the
/// other where there are many, so that what was read is still at hand.
template <class OfSums, class OfGroups, class OfResults>
void inPasses(const PlaneShape& shape, OfSums sums, OfGroups groups, OfResults results) {
  constexpr int64_t kMany = 8;
  const int64_t blocks = shape.groups(), floats = shape.hw * shape.block;
  if (shape.n >= kMany) {
    parallelItems(shape.n, 2 * blocks * floats, [&](int64_t image) {
      for (int64_t block = 0; block < blocks; ++block) sums(image, block);
      groups(image);
      for (int64_t block = 0; block < blocks; ++block) results(image, block);
    });
    return;
  }
  parallelItems(shape.n * blocks, floats,
                [&](int64_t item) { sums(item / blocks, item % blocks); });
  for (int64_t image = 0; image < shape.n; ++image) groups(image);
  parallelItems(shape.n * blocks, floats,
                [&](int64_t item) { results(item / blocks, item % blocks); });
}

/// Places of workspace, and of what belongs to a channel.
template <int V>
struct Planes {
  const GroupNorm& norm;
  double* workspace;

  int64_t channels() const { return norm.shape.groups() * V; }
  double* sums(int64_t image, int64_t channel) const {
    return workspace + 2 * (image * channels() + channel);
  }
  /// Of the gradient, which alone has memory for it.
  math::GroupGradient* ofGroup(int64_t image, int64_t group) const {
    double* behind = workspace + 2 * norm.shape.n * channels();
    return reinterpret_cast<math::GroupGradient*>(behind) + image * norm.groups + group;
  }
  int64_t perGroup() const { return norm.shape.c / norm.groups; }
  int64_t begin(int64_t image, int64_t block) const {
    return (image * norm.shape.groups() + block) * norm.shape.hw * V;
  }
  /// Lanes of a block that are channels.
  int used(int64_t block) const {
    return static_cast<int>(std::min<int64_t>(V, norm.shape.c - block * V));
  }
};

template <int V>
void forwardPlanes(const GroupNormForward& args) {
  const Planes<V> planes{args.norm, args.workspace};
  const int64_t floats = args.norm.shape.hw * V, groups = args.norm.groups;
  const int64_t each = planes.perGroup();
  const double count = static_cast<double>(args.norm.size());
  inPasses(
      args.norm.shape,
      [&](int64_t image, int64_t block) {
        const float* x = args.x + planes.begin(image, block);
        Sums sums[V];
        sumPairs<V>(floats, sums, [x](int64_t i) {
          const double value = x[i];
          return Pair{value, value * value};
        });
        std::memcpy(planes.sums(image, block * V), sums, sizeof sums);
      },
      [&](int64_t image) {
        for (int64_t group = 0; group < groups; ++group) {
          const double* sums = planes.sums(image, group * each);
          Sums total;
          for (int64_t k = 0; k < each; ++k) {
            total.first += sums[2 * k];
            total.second += sums[2 * k + 1];
          }
          const auto [mean, rstd] =
              math::groupStatistics(total.first, total.second, count, args.norm.eps);
          args.mean[image * groups + group] = mean;
          args.rstd[image * groups + group] = rstd;
        }
      },
      [&](int64_t image, int64_t block) {
        Factors<V> f{};
        for (int lane = 0; lane < planes.used(block); ++lane) {
          const int64_t channel = block * V + lane, group = image * groups + channel / each;
          f.mean[lane] = args.mean[group];
          f.scale[lane] = args.rstd[group] * (args.weight == nullptr ? 1.0f : args.weight[channel]);
          f.shift[lane] = args.bias == nullptr ? 0.0f : args.bias[channel];
        }
        const float* x = args.x + planes.begin(image, block);
        float* y = args.y + planes.begin(image, block);
        if constexpr (V == 1) {
          const float mean = f.mean[0], scale = f.scale[0], shift = f.shift[0];
#pragma omp simd
          for (int64_t i = 0; i < floats; ++i) y[i] = (x[i] - mean) * scale + shift;
        } else {
          for (int64_t i = 0; i < floats; i += V) {
#pragma omp simd
            for (int k = 0; k < V; ++k) {
              y[i + k] = (x[i + k] - f.mean[k]) * f.scale[k] + f.shift[k];
            }
          }
        }
      });
}

/// gx = rstd (gy w - sum of gy w / size - xhat (sum of gy w xhat / size)).
template <int V>
void backwardPlanes(const GroupNormBackward& args) {
  const Planes<V> planes{args.norm, args.workspace};
  const PlaneShape& shape = args.norm.shape;
  const int64_t floats = shape.hw * V, groups = args.norm.groups, each = planes.perGroup();
  const double count = static_cast<double>(args.norm.size());
  const auto weightOf = [&](int64_t channel) {
    return args.weight == nullptr ? 1.0f : args.weight[channel];
  };
  inPasses(
      shape,
      [&](int64_t image, int64_t block) {
        alignas(64) float mean[V] = {};
        for (int lane = 0; lane < planes.used(block); ++lane) {
          mean[lane] = args.mean[image * groups + (block * V + lane) / each];
        }
        const float *x = args.x + planes.begin(image, block),
                    *gy = args.gy + planes.begin(image, block);
        Sums sums[V];
        sumPairs<V>(floats, sums, [&mean, x, gy](int64_t i) {
          const double g = gy[i];
          return Pair{g, g * (x[i] - mean[i % V])};
        });
        std::memcpy(planes.sums(image, block * V), sums, sizeof sums);
      },
      [&](int64_t image) {
        for (int64_t group = 0; group < groups; ++group) {
          const float rstd = args.rstd[image * groups + group];
          const double* sums = planes.sums(image, group * each);
          double sum = 0.0, product = 0.0;
          for (int64_t k = 0; k < each; ++k) {
            const double weight = weightOf(group * each + k);
            sum += weight * sums[2 * k];
            product += weight * sums[2 * k + 1];
          }
          *planes.ofGroup(image, group) = math::groupGradient(sum, product, count, rstd);
        }
      },
      [&](int64_t image, int64_t block) {
        Factors<V> f{};
        for (int lane = 0; lane < planes.used(block); ++lane) {
          const int64_t channel = block * V + lane, group = channel / each;
          const math::GroupGradient& rest = *planes.ofGroup(image, group);
          f.mean[lane] = args.mean[image * groups + group];
          f.scale[lane] = args.rstd[image * groups + group] * weightOf(channel);
          f.shift[lane] = rest.shift;
          f.slope[lane] = rest.slope;
        }
        const int64_t at = planes.begin(image, block);
        const float *x = args.x + at, *gy = args.gy + at;
        float* gx = args.gx + at;
        if constexpr (V == 1) {
          const float mean = f.mean[0], scale = f.scale[0], shift = f.shift[0], slope = f.slope[0];
#pragma omp simd
          for (int64_t i = 0; i < floats; ++i) {
            gx[i] = gy[i] * scale + ((x[i] - mean) * slope + shift);
          }
        } else {
          for (int64_t i = 0; i < floats; i += V) {
#pragma omp simd
            for (int k = 0; k < V; ++k) {
              gx[i + k] =
                  gy[i + k] * f.scale[k] + ((x[i + k] - f.mean[k]) * f.slope[k] + f.shift[k]);
            }
          }
        }
      });
  if (args.gweight == nullptr && args.gbias == nullptr) return;
  parallelItems(shape.c, 2 * shape.n, [&](int64_t channel) {
    double sum = 0.0, product = 0.0;
    for (int64_t image = 0; image < shape.n; ++image) {
      const double* sums = planes.sums(image, channel);
      sum += sums[0];
      product += sums[1] * args.rstd[image * groups + channel / each];
    }
    if (args.gweight != nullptr) args.gweight[channel] = static_cast<float>(product);
    if (args.gbias != nullptr) args.gbias[channel] = static_cast<float>(sum);
  });
}

// --- Rows of a matrix -------------------------------------------------------------------------

void forwardRows(const GroupNormForward& args) {
  const int64_t groups = args.norm.groups, size = args.norm.shape.c / groups;
  parallelItems(args.norm.shape.n * groups, 4 * size, [&](int64_t row) {
    const float* x = args.x + row * size;
    float* y = args.y + row * size;
    Sums sums[1];
    sumPairs<1>(size, sums, [x](int64_t i) {
      const double value = x[i];
      return Pair{value, value * value};
    });
    const auto [mean, rstd] = math::groupStatistics(sums[0].first, sums[0].second,
                                                    static_cast<double>(size), args.norm.eps);
    args.mean[row] = mean;
    args.rstd[row] = rstd;
    const int64_t first = row % groups * size;
    if (args.weight == nullptr) {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) y[i] = (x[i] - mean) * rstd;
    } else {
      const float* weight = args.weight + first;
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) y[i] = (x[i] - mean) * (rstd * weight[i]);
    }
    if (args.bias == nullptr) return;
    const float* bias = args.bias + first;
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) y[i] += bias[i];
  });
}

/// One row's gx; with kSums its share of the weights' gradients as well.
template <bool kSums, class Weight>
void backwardRow(const GroupNormBackward& args, int64_t row, int64_t size, Weight weight,
                 double* gweight, double* gbias) {
  const float *x = args.x + row * size, *gy = args.gy + row * size;
  const float mean = args.mean[row], rstd = args.rstd[row];
  Sums sums[1];
  sumPairs<1>(size, sums, [=](int64_t i) {
    const float g = gy[i] * weight(i);
    return Pair{g, static_cast<double>(g) * (x[i] - mean)};
  });
  const auto [shift, slope] =
      math::groupGradient(sums[0].first, sums[0].second, static_cast<double>(size), rstd);
  float* gx = args.gx + row * size;
  if constexpr (kSums) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) {
      gweight[i] += gy[i] * ((x[i] - mean) * rstd);
      gbias[i] += gy[i];
    }
  }
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) {
    gx[i] = gy[i] * (rstd * weight(i)) + ((x[i] - mean) * slope + shift);
  }
}

template <bool kSums>
void backwardRows(const GroupNormBackward& args) {
  const int64_t n = args.norm.shape.n, channels = args.norm.shape.c, groups = args.norm.groups;
  const int64_t size = channels / groups, slices = args.norm.slices();
  parallelItems(slices, 6 * n * channels / slices, [&](int64_t slice) {
    double* gweight = args.workspace + 2 * slice * channels;
    double* gbias = gweight + channels;
    if constexpr (kSums) std::fill(gweight, gweight + 2 * channels, 0.0);
    for (int64_t row = slice * n / slices * groups; row < (slice + 1) * n / slices * groups;
         ++row) {
      const int64_t first = row % groups * size;
      if (args.weight == nullptr) {
        backwardRow<kSums>(
            args, row, size, [](int64_t) { return 1.0f; }, gweight + first, gbias + first);
      } else {
        const float* weight = args.weight + first;
        backwardRow<kSums>(
            args, row, size, [weight](int64_t i) { return weight[i]; }, gweight + first,
            gbias + first);
      }
    }
  });
  if constexpr (kSums) {
    for (int64_t channel = 0; channel < channels; ++channel) {
      double product = 0.0, sum = 0.0;
      for (int64_t slice = 0; slice < slices; ++slice) {
        product += args.workspace[2 * slice * channels + channel];
        sum += args.workspace[(2 * slice + 1) * channels + channel];
      }
      if (args.gweight != nullptr) args.gweight[channel] = static_cast<float>(product);
      if (args.gbias != nullptr) args.gbias[channel] = static_cast<float>(sum);
    }
  }
}

bool isOfRows(const PlaneShape& shape) { return shape.hw == 1 && shape.block == 1; }

void forward(const GroupNormForward& args) {
  if (isOfRows(args.norm.shape)) return forwardRows(args);
  withBlock(args.norm.shape.block, [&](auto block) { forwardPlanes<block>(args); });
}

void backward(const GroupNormBackward& args) {
  const bool wantsSums = args.gweight != nullptr || args.gbias != nullptr;
  if (!isOfRows(args.norm.shape)) {
    withBlock(args.norm.shape.block, [&](auto block) { backwardPlanes<block>(args); });
  } else if (wantsSums) {
    backwardRows<true>(args);
  } else {
    backwardRows<false>(args);
  }
}

}  // namespace

extern const GroupNormKernels groupNormTable;
const GroupNormKernels groupNormTable = {forward, backward};

}  // namespace neuronode::NN_ISA
