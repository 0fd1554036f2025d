// Batch normalisation, forward, gradient and running statistics.
//
// Policy: a channel's values are cut into slices by the shape alone. In a slice eight lanes each
// sum every eighth value in f64; lanes and slices are added in their order: the same bits every
// time.
#include <algorithm>
#include <type_traits>

#include "kernels/access.h"
#include "math/batch_norm.h"
#include "normalisation/batch_norm.h"

namespace neuronode::cuda {

constexpr int64_t kFewestValues = 64;  // of a channel in a slice
constexpr int64_t kMostSlices = 256;
constexpr int64_t kChunkValues = 64;  // of a channel that a block writes
constexpr int kColumnThreads = 32, kLanes = 8;

namespace {

int64_t sliceCount(const BatchNormImages& images) {
  const int64_t values = images.rows * images.pixels;
  return std::clamp<int64_t>(values / kFewestValues, 1, kMostSlices);
}

// The sums of slices, then three numbers of each channel.
struct Workspace {
  double* sums;  // [2, slices, channels]
  float* terms;  // [3, channels]
};

Workspace workspaceOf(const BatchNormImages& images, void* at) {
  auto* sums = static_cast<double*>(at);
  return {sums, reinterpret_cast<float*>(sums + 2 * sliceCount(images) * images.channels)};
}

}  // namespace

NN_DEVICE int64_t realRowsOf(const BatchNormImages& images) {
  if (!images.realRows) return images.rows;
  const int64_t real = *images.realRows;
  return real < 0 ? 0 : real > images.rows ? images.rows : real;
}

// What is summed of each element.
struct MomentTerms {
  Floats x;
  NN_DEVICE void add(int64_t i, int64_t, double& first, double& second) const {
    const double value = loadAt(x, i);
    first += value;
    second += value * value;
  }
};
template <bool kIsMasked>
NN_DEVICE float gradientAt(const BatchNormGradient& gradient, int64_t i) {
  const float gy = loadAt(gradient.gy, i);
  if constexpr (kIsMasked) return gradient.rectifier.gradient(gy, loadAt(gradient.y, i));
  return gy;
}

template <bool kIsMasked>
struct SlopeTerms {
  BatchNormGradient of;
  Floats x;
  const float* mean;
  NN_DEVICE void add(int64_t i, int64_t channel, double& first, double& second) const {
    const double gradient = gradientAt<kIsMasked>(of, i);
    first += gradient;
    second += gradient * (static_cast<double>(loadAt(x, i)) - mean[channel]);
  }
};

template <class Terms>
struct ChannelSums {
  static constexpr int kThreads = kColumnThreads * kLanes, kPhases = 2;
  struct Shared {
    double sums[2][kLanes][kColumnThreads];
  };
  Terms terms;
  double* sums;
  BatchNormImages images;
  int64_t tiles, slices;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t slice = block.index / tiles;
    const int column = block.thread % kColumnThreads, lane = block.thread / kColumnThreads;
    const int64_t channel = (block.index - slice * tiles) * kColumnThreads + column;
    if constexpr (kPhase == 0) {
      double first = 0, second = 0;
      if (channel < images.channels) {
        const int64_t values = images.rows * images.pixels;
        const int64_t real = realRowsOf(images) * images.pixels;
        const int64_t cut = (slice + 1) * values / slices, end = cut < real ? cut : real;
        for (int64_t i = slice * values / slices + lane; i < end; i += kLanes) {
          terms.add(i * images.channels + channel, channel, first, second);
        }
      }
      shared.sums[0][lane][column] = first;
      shared.sums[1][lane][column] = second;
    } else if (lane < 2 && channel < images.channels) {
      double sum = 0;
      for (int i = 0; i < kLanes; ++i) sum += shared.sums[lane][i][column];
      sums[(lane * slices + slice) * images.channels + channel] = sum;
    }
  }
};

// The sums of all slices, of one channel.
struct AllSlices {
  const double* sums;
  int64_t channels, slices;
  NN_DEVICE double operator()(int which, int64_t channel) const {
    double sum = 0;
    for (int64_t slice = 0; slice < slices; ++slice) {
      sum += sums[(which * slices + slice) * channels + channel];
    }
    return sum;
  }
};

struct WriteMoments {
  AllSlices all;
  BatchNormImages images;
  float* mean;
  float* var;

  NN_DEVICE void operator()(int64_t c) const {
    const auto count = static_cast<double>(realRowsOf(images) * images.pixels);
    const math::Moments moments = math::momentsOf(all(0, c), all(1, c), count);
    mean[c] = moments.mean;
    var[c] = moments.variance;
  }
};

// y = (x - mean) * scale + shift.
struct WriteScales {
  BatchNormChannels channels;
  float* scale;
  float* shift;

  NN_DEVICE void operator()(int64_t c) const {
    const float weight = channels.weight ? channels.weight[c] : 1.0f;
    scale[c] = weight * math::inverseDeviation(channels.var[c], channels.eps);
    shift[c] = channels.bias ? channels.bias[c] : 0.0f;
  }
};

// Calls each.at(element, channel, isReal) for every element; a thread stays with its channel, whose
// place no thread has to work out of an element's.
template <class Each>
struct EachElement {
  static constexpr int kThreads = kColumnThreads * kLanes, kPhases = 1;
  using Shared = NoShared;
  Each each;
  BatchNormImages images;
  int64_t tiles;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared&) const {
    const int64_t chunk = block.index / tiles;
    const int64_t channel =
        (block.index - chunk * tiles) * kColumnThreads + block.thread % kColumnThreads;
    if (channel >= images.channels) return;
    const int64_t values = images.rows * images.pixels;
    const int64_t real = realRowsOf(images) * images.pixels;
    const int64_t begin = chunk * kChunkValues;
    const int64_t end = begin + kChunkValues < values ? begin + kChunkValues : values;
    for (int64_t value = begin + block.thread / kColumnThreads; value < end; value += kLanes) {
      each.at(value * images.channels + channel, channel, value < real);
    }
  }
};

template <bool kHasResidual>
struct Normalise {
  const float* mean;
  const float* scale;
  const float* shift;
  Floats x, y;
  BatchNormTail tail;

  NN_DEVICE void at(int64_t i, int64_t c, bool isReal) const {
    float value = (loadAt(x, i) - mean[c]) * scale[c] + shift[c];
    if constexpr (kHasResidual) value += loadAt({tail.residual, x.storage}, i);
    storeAt(y, i, isReal ? tail.rectifier.value(value) : 0.0f);
  }
};

struct WriteGradientTerms {
  AllSlices all;
  BatchNormImages images;
  BatchNormChannels channels;
  bool ofBatch;
  float* terms;
  float* gweight;
  float* gbias;

  NN_DEVICE void operator()(int64_t c) const {
    const double sum = all(0, c), product = all(1, c);
    const float weight = channels.weight ? channels.weight[c] : 1.0f;
    const float inverse = math::inverseDeviation(channels.var[c], channels.eps);
    if (gweight) gweight[c] = static_cast<float>(product * inverse);
    if (gbias) gbias[c] = static_cast<float>(sum);
    math::GradientTerms found{weight * inverse, 0.0f, 0.0f};
    if (ofBatch) {
      const auto count = static_cast<double>(realRowsOf(images) * images.pixels);
      found = math::gradientTerms(sum, product, count, weight, inverse);
    }
    terms[c] = found.slope;
    terms[images.channels + c] = found.first;
    terms[2 * images.channels + c] = found.second;
  }
};

template <bool kIsMasked>
struct InputGradient {
  int64_t channels;
  const float* mean;
  const float* terms;
  BatchNormGradient of;
  Floats x, gx;

  NN_DEVICE void at(int64_t i, int64_t c, bool isReal) const {
    const float first = terms[channels + c], second = terms[2 * channels + c];
    const float gy = gradientAt<kIsMasked>(of, i);
    const float value = terms[c] * (gy - first - (loadAt(x, i) - mean[c]) * second);
    storeAt(gx, i, isReal ? value : 0.0f);
  }
};

struct CountBatch {
  int32_t* batches;
  const int32_t* realRows;

  NN_DEVICE void operator()(int64_t) const {
    if (*realRows > 0 && *batches < 0x7fffffff) ++*batches;
  }
};

struct MoveRunning {
  RunningUpdate update;

  NN_DEVICE void operator()(int64_t c) const {
    const double count = static_cast<double>(*update.realRows) * update.pixels;
    if (count < 1) return;
    const double share =
        math::newShare(update.momentum, update.cumulative, update.batches ? *update.batches : 1);
    update.runningMean[c] = math::runningValue(update.runningMean[c], update.mean[c], share);
    update.runningVar[c] =
        math::runningValue(update.runningVar[c], math::unbiased(update.var[c], count), share);
  }
};

namespace {

template <class Terms>
AllSlices sumChannels(cudaStream_t stream, const BatchNormImages& images, const Terms& terms,
                      double* sums) {
  const int64_t tiles = (images.channels + kColumnThreads - 1) / kColumnThreads;
  const int64_t slices = sliceCount(images);
  launchBlocks(stream, "batchNormSums", tiles * slices,
               ChannelSums<Terms>{terms, sums, images, tiles, slices});
  return {sums, images.channels, slices};
}

template <class Each>
void forEach(cudaStream_t stream, const char* name, const BatchNormImages& images,
             const Each& each) {
  const int64_t tiles = (images.channels + kColumnThreads - 1) / kColumnThreads;
  const int64_t chunks = (images.rows * images.pixels + kChunkValues - 1) / kChunkValues;
  launchBlocks(stream, name, tiles * chunks, EachElement<Each>{each, images, tiles});
}

}  // namespace

size_t batchNormWorkspace(const BatchNormImages& images) {
  const auto channels = static_cast<size_t>(images.channels);
  return channels *
         (2 * static_cast<size_t>(sliceCount(images)) * sizeof(double) + 3 * sizeof(float));
}

void batchMoments(cudaStream_t stream, const BatchNormImages& images, Floats x, float* mean,
                  float* var, void* workspace) {
  const auto all = sumChannels(stream, images, MomentTerms{x}, workspaceOf(images, workspace).sums);
  launchElements(stream, "batchNormMoments", images.channels, WriteMoments{all, images, mean, var});
}

void batchNormalise(cudaStream_t stream, const BatchNormImages& images,
                    const BatchNormChannels& channels, const BatchNormTail& tail, Floats x,
                    Floats y, void* workspace) {
  float* scale = workspaceOf(images, workspace).terms;
  float* shift = scale + images.channels;
  launchElements(stream, "batchNormScales", images.channels, WriteScales{channels, scale, shift});
  const auto write = [&](auto hasResidual) {
    forEach(stream, "batchNorm", images,
            Normalise<hasResidual>{channels.mean, scale, shift, x, y, tail});
  };
  if (tail.residual) {
    write(std::true_type{});
  } else {
    write(std::false_type{});
  }
}

void batchNormGrad(cudaStream_t stream, const BatchNormImages& images,
                   const BatchNormChannels& channels, bool ofBatch,
                   const BatchNormGradient& gradient, Floats x, Floats gx, float* gweight,
                   float* gbias, void* workspace) {
  const Workspace space = workspaceOf(images, workspace);
  const auto compute = [&](auto isMasked) {
    AllSlices all{space.sums, images.channels, 0};  // of no slices, where nobody reads the sums
    if (ofBatch || gweight || gbias) {
      all =
          sumChannels(stream, images, SlopeTerms<isMasked>{gradient, x, channels.mean}, space.sums);
    }
    launchElements(stream, "batchNormGradTerms", images.channels,
                   WriteGradientTerms{all, images, channels, ofBatch, space.terms, gweight, gbias});
    forEach(stream, "batchNormGrad", images,
            InputGradient<isMasked>{images.channels, channels.mean, space.terms, gradient, x, gx});
  };
  if (gradient.y.at) {
    compute(std::true_type{});
  } else {
    compute(std::false_type{});
  }
}

void batchNormUpdate(cudaStream_t stream, const RunningUpdate& update) {
  if (update.batches) {
    launchElements(stream, "batchNormCount", 1, CountBatch{update.batches, update.realRows});
  }
  launchElements(stream, "batchNormUpdate", update.channels, MoveRunning{update});
}

}  // namespace neuronode::cuda
