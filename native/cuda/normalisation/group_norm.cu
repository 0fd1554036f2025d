// Group and layer normalisation, forward and gradient.
//
// Policy: a block sums a group, a thread works out an element. Sums are of f64; threads are
// combined in their order. The weights' gradients are sums of slices of the pixels.
#include <algorithm>

#include "kernels/access.h"
#include "kernels/combine.h"
#include "math/group_norm.h"
#include "normalisation/group_norm.h"

namespace neuronode::cuda {

// Where the elements of each group are.
struct Groups {
  int64_t pixels, channels, groups;

  NN_DEVICE int64_t perGroup() const { return channels / groups; }
  // Element e of the group `index` of all images.
  NN_DEVICE int64_t place(int64_t index, uint32_t e, uint32_t each) const {
    const int64_t image = index / groups, group = index - image * groups;
    const uint32_t pixel = e / each, k = e - pixel * each;
    return (image * pixels + pixel) * channels + group * each + k;
  }
};

constexpr int kNormThreads = 256;

struct PairShared {
  double first[kNormThreads], second[kNormThreads];
};

struct GroupStatistics {
  static constexpr int kThreads = kNormThreads, kPhases = 3;
  using Shared = PairShared;
  Groups groups;
  double eps;
  Floats x;
  float *mean, *rstd;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int thread = block.thread;
    const auto each = static_cast<uint32_t>(groups.perGroup());
    const auto size = each * static_cast<uint32_t>(groups.pixels);
    if constexpr (kPhase == 0) {
      double sum = 0.0, squares = 0.0;
      NN_NO_UNROLL
      for (uint32_t e = static_cast<uint32_t>(thread); e < size; e += kThreads) {
        const double value = loadAt(x, groups.place(block.index, e, each));
        sum += value;
        squares += value * value;
      }
      shared.first[thread] = sum;
      shared.second[thread] = squares;
    } else if constexpr (kPhase == 1) {
      combineGroup(shared.first, thread);
      combineGroup(shared.second, thread);
    } else {
      if (thread != 0) return;
      const math::GroupStatistics found = math::groupStatistics(
          combineGroups(shared.first), combineGroups(shared.second), size, eps);
      mean[block.index] = found.mean;
      rstd[block.index] = found.rstd;
    }
  }
};

struct GroupNormalise {
  Groups groups;
  Floats x, y;
  const float *mean, *rstd, *weight, *bias;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t pixel = i / groups.channels, channel = i - pixel * groups.channels;
    const int64_t group = pixel / groups.pixels * groups.groups + channel / groups.perGroup();
    const float scale = weight == nullptr ? 1.0f : weight[channel];
    const float shift = bias == nullptr ? 0.0f : bias[channel];
    storeAt(y, i, (loadAt(x, i) - mean[group]) * (rstd[group] * scale) + shift);
  }
};

struct GroupGradSums {
  static constexpr int kThreads = kNormThreads, kPhases = 3;
  using Shared = PairShared;
  Groups groups;
  Floats gy, x;
  const float *mean, *rstd, *weight;
  math::GroupGradient* gradients;  // of each group

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int thread = block.thread;
    const auto each = static_cast<uint32_t>(groups.perGroup());
    const auto size = each * static_cast<uint32_t>(groups.pixels);
    if constexpr (kPhase == 0) {
      const float average = mean[block.index];
      double sum = 0.0, product = 0.0;
      NN_NO_UNROLL
      for (uint32_t e = static_cast<uint32_t>(thread); e < size; e += kThreads) {
        const int64_t at = groups.place(block.index, e, each);
        const float scale = weight == nullptr ? 1.0f : weight[at % groups.channels];
        const double g = loadAt(gy, at) * scale;
        sum += g;
        product += g * (loadAt(x, at) - average);
      }
      shared.first[thread] = sum;
      shared.second[thread] = product;
    } else if constexpr (kPhase == 1) {
      combineGroup(shared.first, thread);
      combineGroup(shared.second, thread);
    } else {
      if (thread != 0) return;
      gradients[block.index] = math::groupGradient(
          combineGroups(shared.first), combineGroups(shared.second), size, rstd[block.index]);
    }
  }
};

struct GroupNormBackward {
  Groups groups;
  Floats gy, x, gx;
  const float *mean, *rstd, *weight;
  const math::GroupGradient* gradients;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t pixel = i / groups.channels, channel = i - pixel * groups.channels;
    const int64_t group = pixel / groups.pixels * groups.groups + channel / groups.perGroup();
    const float scale = weight == nullptr ? 1.0f : weight[channel];
    const math::GroupGradient gradient = gradients[group];
    const float rest = (loadAt(x, i) - mean[group]) * gradient.slope + gradient.shift;
    storeAt(gx, i, loadAt(gy, i) * (rstd[group] * scale) + rest);
  }
};

// Of each channel and slice of the pixels: the sums of gy xhat and of gy.
struct GroupChannelSums {
  static constexpr int kColumns = 32, kRows = 8;
  static constexpr int kThreads = kColumns * kRows, kPhases = 2;
  struct Shared {
    double products[kRows][kColumns], sums[kRows][kColumns];
  };
  Groups groups;
  int64_t rows, slices, tiles;
  Floats gy, x;
  const float *mean, *rstd;
  double* partial;  // [slices, 2, channels]

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t slice = block.index / tiles, tile = block.index - slice * tiles;
    const int column = block.thread % kColumns, lane = block.thread / kColumns;
    const int64_t channel = tile * kColumns + column;
    if constexpr (kPhase == 0) {
      double product = 0.0, sum = 0.0;
      if (channel < groups.channels) {
        const int64_t own = channel / groups.perGroup(), end = (slice + 1) * rows / slices;
        NN_NO_UNROLL
        for (int64_t row = slice * rows / slices + lane; row < end; row += kRows) {
          const int64_t group = row / groups.pixels * groups.groups + own;
          const int64_t at = row * groups.channels + channel;
          const float g = loadAt(gy, at);
          product += g * ((loadAt(x, at) - mean[group]) * rstd[group]);
          sum += g;
        }
      }
      shared.products[lane][column] = product;
      shared.sums[lane][column] = sum;
    } else if (lane == 0 && channel < groups.channels) {
      double product = 0.0, sum = 0.0;
      NN_NO_UNROLL
      for (int i = 0; i < kRows; ++i) {
        product += shared.products[i][column];
        sum += shared.sums[i][column];
      }
      partial[2 * slice * groups.channels + channel] = product;
      partial[(2 * slice + 1) * groups.channels + channel] = sum;
    }
  }
};

struct AddChannelSums {
  const double* partial;
  int64_t channels, slices;
  float *gweight, *gbias;

  NN_DEVICE void operator()(int64_t channel) const {
    double product = 0.0, sum = 0.0;
    NN_NO_UNROLL
    for (int64_t slice = 0; slice < slices; ++slice) {
      product += partial[2 * slice * channels + channel];
      sum += partial[(2 * slice + 1) * channels + channel];
    }
    if (gweight != nullptr) gweight[channel] = static_cast<float>(product);
    if (gbias != nullptr) gbias[channel] = static_cast<float>(sum);
  }
};

namespace {

Groups groupsOf(const GroupNormShape& shape) {
  return {shape.pixels, shape.channels, shape.groups};
}

int64_t elementsOf(const GroupNormShape& shape) { return shape.n * shape.pixels * shape.channels; }

int64_t slicesOf(const GroupNormShape& shape) {
  return std::clamp<int64_t>(shape.n * shape.pixels / 64, 1, 64);
}

int64_t sumsOf(const GroupNormShape& shape) { return 2 * slicesOf(shape) * shape.channels; }

}  // namespace

size_t groupNormWorkspace(const GroupNormShape& shape) {
  return static_cast<size_t>(sumsOf(shape)) * sizeof(double) +
         static_cast<size_t>(shape.n * shape.groups) * sizeof(math::GroupGradient);
}

void groupNorm(cudaStream_t stream, const GroupNormShape& shape, Floats x, const float* weight,
               const float* bias, Floats y, float* mean, float* rstd) {
  const Groups groups = groupsOf(shape);
  launchBlocks(stream, "groupNorm", shape.n * shape.groups,
               GroupStatistics{groups, shape.eps, x, mean, rstd});
  launchElements(stream, "groupNorm", elementsOf(shape),
                 GroupNormalise{groups, x, y, mean, rstd, weight, bias});
}

void groupNormGrad(cudaStream_t stream, const GroupNormShape& shape,
                   const GroupNormGradient& args) {
  const Groups groups = groupsOf(shape);
  auto* partial = static_cast<double*>(args.workspace);
  auto* gradients = reinterpret_cast<math::GroupGradient*>(partial + sumsOf(shape));
  if (args.gweight != nullptr || args.gbias != nullptr) {
    const int64_t slices = slicesOf(shape), tiles = (shape.channels + 31) / 32;
    launchBlocks(stream, "groupNormGrad", slices * tiles,
                 GroupChannelSums{groups, shape.n * shape.pixels, slices, tiles, args.gy, args.x,
                                  args.mean, args.rstd, partial});
    launchElements(stream, "groupNormGrad", shape.channels,
                   AddChannelSums{partial, shape.channels, slices, args.gweight, args.gbias});
  }
  launchBlocks(
      stream, "groupNormGrad", shape.n * shape.groups,
      GroupGradSums{groups, args.gy, args.x, args.mean, args.rstd, args.weight, gradients});
  launchElements(stream, "groupNormGrad", elementsOf(shape),
                 GroupNormBackward{groups, args.gy, args.x, args.gx, args.mean, args.rstd,
                                   args.weight, gradients});
}

}  // namespace neuronode::cuda
