// Batch normalisation; see cpu/normalisation/batch_norm.h.
//
// A channel's (or channel block's) sums come before any of its outputs, so it is read twice. Where
// there are as many channel blocks as threads, a thread does one block after the other, and reads
// it the second time from its cache; else all threads sum, and then all write.
#include "cpu/normalisation/batch_norm.h"

#include <omp.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

#include "cpu/parallel.h"
#include "math/batch_norm.h"

namespace neuronode::NN_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kFloats = 16;
#elif defined(__AVX2__)
constexpr int kFloats = 8;
#else
constexpr int kFloats = 4;
#endif
constexpr int kDoubles = kFloats / 2;

/// Floats of one iteration of a loop over a plane [pixels, V].
template <int V>
constexpr int kWidth = V == 1 ? kFloats : V;

/// One register of doubles. GCC 12 puts such a conversion together from halves.
[[gnu::always_inline]] inline Lanes<kDoubles>::D widened(const float* at) {
#if defined(__AVX512F__)
  return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(at));  // the plain form warns
#elif defined(__AVX2__)
  return _mm256_cvtps_pd(_mm_loadu_ps(at));
#else
  Lanes<kDoubles>::D wide;
  convertLanes(Lanes<kDoubles>::load(at), wide);
  return wide;
#endif
}

/// A value of each channel of a block, as often as an iteration meets it.
template <int V>
struct PerLane {
  using F = typename Lanes<kWidth<V>>::F;
  F lanes;
  float first;

  explicit PerLane(const float* values) : first(values[0]) {
    if constexpr (V == 1) {
      lanes = F{} + values[0];
    } else {
      lanes = Lanes<V>::load(values);
    }
  }
};

template <class T>
[[gnu::always_inline]] inline void clear(T* values, int64_t count) {
  for (int64_t i = 0; i < count; ++i) values[i] = T{};
}

/// Calls vector(at) for each whole iteration of n floats, and single(at) for those left, which only
/// a plain plane has.
template <int V, class Vector, class Single>
[[gnu::always_inline]] inline void overPlane(int64_t n, Vector vector, Single single) {
  constexpr int W = kWidth<V>;
  int64_t i = 0;
  for (; i + W <= n; i += W) vector(i);
  if constexpr (V == 1) {
    for (; i < n; ++i) single(i);
  }
}

/// Adds to sums[V] and squares[V] those of x: [pixels, V], n floats.
template <int V>
void addMoments(const float* x, int64_t n, double* sums, double* squares) {
  using D = Lanes<kDoubles>::D;
  // As many at a time as lanes need, and as keep additions from waiting for each other.
  constexpr int kAccumulators = std::max(4, V / kDoubles);
  D sum[kAccumulators] = {}, square[kAccumulators] = {};
  const auto add = [&](const float* at, int k) __attribute__((always_inline)) {
    const D wide = widened(at);
    sum[k] += wide;
    square[k] += wide * wide;
  };
  int64_t i = 0;
  for (; i + kAccumulators * kDoubles <= n; i += kAccumulators * kDoubles) {
    NN_UNROLL
    for (int k = 0; k < kAccumulators; ++k) add(x + i + kDoubles * k, k);
  }
  const auto addScalar = [&](int lane, double wide) {
    sums[lane % V] += wide;
    squares[lane % V] += wide * wide;
  };
  NN_UNROLL
  for (int k = 0; k < kAccumulators; ++k) {
    for (int lane = 0; lane < kDoubles; ++lane) {
      sums[(kDoubles * k + lane) % V] += sum[k][lane];
      squares[(kDoubles * k + lane) % V] += square[k][lane];
    }
  }
  for (int lane = 0; i < n; ++i, ++lane) addScalar(lane, x[i]);
}

/// A rectifier of one vector's lanes.
template <class F>
struct Rectify {
  F low, high;

  explicit Rectify(const math::Rectifier& from) : low(F{} + from.low), high(F{} + from.high) {}
  [[gnu::always_inline]] F value(F x) const {
    x = x <= low ? low : x;
    return x >= high ? high : x;
  }
  [[gnu::always_inline]] F gradient(F gy, F y) const {
    gy = y <= low ? F{} : gy;
    return y >= high ? F{} : gy;
  }
};

/// Of what a gradient's mask is made: there is none, the rectified output, or x once more.
enum class Mask : uint8_t { None, Output, Input };

/// Where gradients come from: gy, or what of it the rectified output lets pass.
template <int V, Mask From>
struct Gradients {
  using L = Lanes<kWidth<V>>;
  const float* gy;
  const float* from;  // y or x
  Rectify<typename L::F> lanes;
  math::Rectifier single;
  PerLane<V> mean, scale, bias;

  Gradients(const float* gy, const float* from, const math::Rectifier& rectifier, const float* mean,
            const float* scale, const float* bias)
      : gy(gy),
        from(from),
        lanes(rectifier),
        single(rectifier),
        mean(mean),
        scale(scale),
        bias(bias) {}
  [[gnu::always_inline]] typename L::F load(int64_t i) const {
    const typename L::F g = L::load(gy + i);
    if constexpr (From == Mask::None) return g;
    const typename L::F value = L::load(from + i);
    if constexpr (From == Mask::Output) return lanes.gradient(g, value);
    return lanes.gradient(g, (value - mean.lanes) * scale.lanes + bias.lanes);
  }
  [[gnu::always_inline]] float at(int64_t i) const {
    if constexpr (From == Mask::None) return gy[i];
    if constexpr (From == Mask::Output) return single.gradient(gy[i], from[i]);
    return single.gradient(gy[i], (from[i] - mean.first) * scale.first + bias.first);
  }
};

/// Pixels whose products are added in f32 before their sum goes into an f64.
constexpr int64_t kShortRun = 32;

/// Adds to sums[V] those of gy, and to products[V] those of gy * (x - mean).
template <int V, Mask From>
void addProducts(const Gradients<V, From>& gradients, const float* x, const float* mean, int64_t n,
                 double* sums, double* products) {
  constexpr int W = kWidth<V>;
  using L = Lanes<W>;
  const PerLane<V> m(mean);
  typename L::D sum{}, product{};
  int64_t i = 0;
  while (i + W <= n) {
    const int64_t end = std::min(n - n % W, i + kShortRun * W);
    typename L::F shortSum[2] = {}, shortProduct[2] = {};
    const auto add = [&](int k) {
      const typename L::F g = gradients.load(i);
      shortSum[k] += g;
      shortProduct[k] += g * (L::load(x + i) - m.lanes);
      i += W;
    };
    while (i + 2 * W <= end) {
      add(0);
      add(1);
    }
    if (i < end) add(0);
    shortSum[0] += shortSum[1];
    shortProduct[0] += shortProduct[1];
    typename L::D wide;
    convertLanes(shortSum[0], wide);
    sum += wide;
    convertLanes(shortProduct[0], wide);
    product += wide;
  }
  for (int lane = 0; lane < W; ++lane) {
    sums[lane % V] += sum[lane];
    products[lane % V] += product[lane];
  }
  for (; i < n; ++i) {
    const float g = gradients.at(i);
    sums[i % V] += g;
    products[i % V] += g * (x[i] - m.first);
  }
}

template <int V, bool Residual>
void normalise(const float* x, const float* residual, float* y, int64_t n, const float* mean,
               const float* scale, const float* bias, const math::Rectifier& rectifier) {
  using L = Lanes<kWidth<V>>;
  const PerLane<V> m(mean), s(scale), b(bias);
  const Rectify<typename L::F> lanes(rectifier);
  overPlane<V>(
      n,
      [=](int64_t i) {
        typename L::F value = (L::load(x + i) - m.lanes) * s.lanes + b.lanes;
        if constexpr (Residual) value += L::load(residual + i);
        L::store(y + i, lanes.value(value));
      },
      [=](int64_t i) {
        float value = (x[i] - m.first) * s.first + b.first;
        if constexpr (Residual) value += residual[i];
        y[i] = rectifier.value(value);
      });
}

template <int V, Mask From>
void inputGradient(const Gradients<V, From>& gradients, const float* x, float* gx, int64_t n,
                   const float* mean, const float* slope, const float* first, const float* second) {
  using L = Lanes<kWidth<V>>;
  const PerLane<V> m(mean), a(slope), k(first), c(second);
  overPlane<V>(
      n,
      [=](int64_t i) {
        const typename L::F centred = gradients.load(i) - k.lanes;
        L::store(gx + i, a.lanes * (centred - (L::load(x + i) - m.lanes) * c.lanes));
      },
      [=](int64_t i) {
        gx[i] = a.first * ((gradients.at(i) - k.first) - (x[i] - m.first) * c.first);
      });
}

template <int V, Mask From>
void scaledGradient(const Gradients<V, From>& gradients, float* gx, int64_t n, const float* slope) {
  using L = Lanes<kWidth<V>>;
  const PerLane<V> a(slope);
  overPlane<V>(
      n, [=](int64_t i) { L::store(gx + i, a.lanes * gradients.load(i)); },
      [=](int64_t i) { gx[i] = a.first * gradients.at(i); });
}

/// One call's pieces: channel blocks, and the slices of the batch of each.
template <int V>
struct Pieces {
  PlaneShape shape;
  int64_t rows;
  int64_t groups = shape.groups();
  int64_t slices = batchNormSlices(shape);
  int64_t plane = shape.hw * V;
  double* workspace;  // [groups][slices][2][V]

  int64_t begin(int64_t slice) const { return slice * shape.n / slices; }
  int64_t at(int64_t n, int64_t group) const { return (n * groups + group) * plane; }
  int64_t channels(int64_t group) const { return std::min<int64_t>(V, shape.c - group * V); }
  double count() const { return static_cast<double>(rows) * static_cast<double>(shape.hw); }
  double* sumsOf(int64_t group, int64_t slice) const {
    return workspace + (group * slices + slice) * 2 * V;
  }

  /// Calls add(n, sums, others) for each real row of the slice, the two being zero at first.
  template <class Add>
  void sumSlice(int64_t group, int64_t slice, Add add) const {
    double* sums = sumsOf(group, slice);
    clear(sums, 2 * V);
    const int64_t end = std::min(rows, begin(slice + 1));
    for (int64_t n = begin(slice); n < end; ++n) add(at(n, group), sums, sums + V);
  }

  /// The slices' sums together: first those, then the others.
  void total(int64_t group, double (&totals)[2 * V]) const {
    clear(totals, 2 * V);
    for (int64_t slice = 0; slice < slices; ++slice) {
      const double* sums = sumsOf(group, slice);
      for (int k = 0; k < 2 * V; ++k) totals[k] += sums[k];
    }
  }

  /// Calls write(offset) for each real row of the slice, and fills the others of `out` with zeros.
  template <class Write>
  void writeSlice(int64_t group, int64_t slice, float* out, Write write) const {
    for (int64_t n = begin(slice); n < begin(slice + 1); ++n) {
      if (n < rows) {
        write(at(n, group));
      } else {
        clear(out + at(n, group), plane);
      }
    }
  }

  /// sum(group, slice) for every slice before finish(group), and that before write(group, slice).
  template <class Sum, class Finish, class Write>
  void run(Sum sum, Finish finish, Write write) const {
    const int64_t floats = shape.n * plane;
    if (groups >= omp_get_max_threads()) {
      parallelItems(groups, floats, [=, this](int64_t group) {
        for (int64_t slice = 0; slice < slices; ++slice) sum(group, slice);
        finish(group);
        for (int64_t slice = 0; slice < slices; ++slice) write(group, slice);
      });
      return;
    }
    const auto each = [=, this](auto call) {
      parallelItems(groups * slices, floats / slices,
                    [=, this](int64_t item) { call(item / slices, item % slices); });
    };
    each(sum);
    for (int64_t group = 0; group < groups; ++group) finish(group);
    each(write);
  }
};

/// The lanes of one block: values of its channels, and zeros behind them.
template <int V>
struct Block {
  float values[V] = {};
};

template <int V>
Block<V> blockOf(const float* values, int64_t group, int64_t channels, float missing) {
  Block<V> block;
  for (int64_t k = 0; k < channels; ++k) {
    block.values[k] = values ? values[group * V + k] : missing;
  }
  return block;
}

/// What x less its mean is multiplied with, forward and where the output is computed anew.
template <int V, class Call>
Block<V> scaleOf(const Call& call, int64_t group, int64_t channels) {
  Block<V> scale = blockOf<V>(call.weight, group, channels, 1.0f);
  for (int64_t k = 0; k < channels; ++k) {
    scale.values[k] *= math::inverseDeviation(call.var[group * V + k], call.eps);
  }
  return scale;
}

template <int V>
void forwardBlocks(const BatchNormForward& call) {
  const Pieces<V> pieces{.shape = call.shape, .rows = call.rows, .workspace = call.workspace};
  const auto normalised = call.residual ? normalise<V, true> : normalise<V, false>;
  const auto sum = [=, &call](int64_t group, int64_t slice) {
    if (call.statistics == Statistics::Given) return;
    pieces.sumSlice(group, slice, [&](int64_t at, double* sums, double* squares) {
      addMoments<V>(call.x + at, pieces.plane, sums, squares);
    });
  };
  const auto finish = [=, &call](int64_t group) {
    if (call.statistics == Statistics::Given) return;
    double totals[2 * V];
    pieces.total(group, totals);
    for (int64_t k = 0; k < pieces.channels(group); ++k) {
      const math::Moments moments = math::momentsOf(totals[k], totals[V + k], pieces.count());
      call.mean[group * V + k] = moments.mean;
      call.var[group * V + k] = moments.variance;
    }
  };
  const auto write = [=, &call](int64_t group, int64_t slice) {
    const int64_t channels = pieces.channels(group);
    const Block<V> mean = blockOf<V>(call.mean, group, channels, 0.0f);
    const Block<V> bias = blockOf<V>(call.bias, group, channels, 0.0f);
    const Block<V> scale = scaleOf<V>(call, group, channels);
    pieces.writeSlice(group, slice, call.y, [&](int64_t at) {
      const float* residual = call.residual ? call.residual + at : nullptr;
      normalised(call.x + at, residual, call.y + at, pieces.plane, mean.values, scale.values,
                 bias.values, call.rectifier);
    });
  };
  pieces.run(sum, finish, write);
}

/// What masks the gradients of one block, of which `mean` is part.
template <int V, Mask From>
struct Masks {
  const BatchNormBackward& call;
  const Block<V>& mean;
  Block<V> scale, bias;

  Masks(const BatchNormBackward& call, int64_t group, int64_t channels, const Block<V>& mean)
      : call(call), mean(mean) {
    if constexpr (From != Mask::Input) return;
    scale = scaleOf<V>(call, group, channels);
    bias = blockOf<V>(call.bias, group, channels, 0.0f);
  }
  Gradients<V, From> gradients(int64_t at) const {
    const float* from = From == Mask::Output ? call.y : call.x;
    return {call.gy + at, from + at, call.rectifier, mean.values, scale.values, bias.values};
  }
};

template <int V, Mask From>
void backwardBlocks(const BatchNormBackward& call) {
  const Pieces<V> pieces{.shape = call.shape, .rows = call.rows, .workspace = call.workspace};
  const bool isGiven = call.statistics == Statistics::Given;
  const bool needsSums = !isGiven || call.gweight || call.gbias;
  const auto sum = [=, &call](int64_t group, int64_t slice) {
    if (!needsSums) return;
    const Block<V> mean = blockOf<V>(call.mean, group, pieces.channels(group), 0.0f);
    const Masks<V, From> masks(call, group, pieces.channels(group), mean);
    pieces.sumSlice(group, slice, [&](int64_t at, double* sums, double* products) {
      addProducts<V>(masks.gradients(at), call.x + at, mean.values, pieces.plane, sums, products);
    });
  };
  const auto finish = [=, &call](int64_t group) {
    if (!needsSums) return;
    double totals[2 * V];
    pieces.total(group, totals);
    for (int64_t k = 0; k < pieces.channels(group); ++k) {
      const int64_t c = group * V + k;
      const double inverse = math::inverseDeviation(call.var[c], call.eps);
      if (call.gweight) call.gweight[c] = static_cast<float>(totals[V + k] * inverse);
      if (call.gbias) call.gbias[c] = static_cast<float>(totals[k]);
    }
  };
  const auto write = [=, &call](int64_t group, int64_t slice) {
    const int64_t channels = pieces.channels(group);
    const Block<V> mean = blockOf<V>(call.mean, group, channels, 0.0f);
    const Block<V> weight = blockOf<V>(call.weight, group, channels, 1.0f);
    const Masks<V, From> masks(call, group, channels, mean);
    Block<V> slope, first, second;
    double totals[2 * V] = {};
    if (!isGiven) pieces.total(group, totals);
    for (int64_t k = 0; k < channels; ++k) {
      const float inverse = math::inverseDeviation(call.var[group * V + k], call.eps);
      const math::GradientTerms terms =
          math::gradientTerms(totals[k], totals[V + k], pieces.count(), weight.values[k], inverse);
      slope.values[k] = terms.slope;
      first.values[k] = terms.first;
      second.values[k] = terms.second;
    }
    pieces.writeSlice(group, slice, call.gx, [&](int64_t at) {
      if (isGiven) {
        scaledGradient<V>(masks.gradients(at), call.gx + at, pieces.plane, slope.values);
      } else {
        inputGradient<V>(masks.gradients(at), call.x + at, call.gx + at, pieces.plane, mean.values,
                         slope.values, first.values, second.values);
      }
    });
  };
  pieces.run(sum, finish, write);
}

void forward(const BatchNormForward& call) {
  withBlock(call.shape.block, [&](auto block) { forwardBlocks<block>(call); });
}

void backward(const BatchNormBackward& call) {
  withBlock(call.shape.block, [&](auto block) {
    if (!call.rectifier.hasEnds()) {
      backwardBlocks<block, Mask::None>(call);
    } else if (call.y) {
      backwardBlocks<block, Mask::Output>(call);
    } else {
      backwardBlocks<block, Mask::Input>(call);
    }
  });
}

}  // namespace

extern const BatchNormKernels batchNormTable;
const BatchNormKernels batchNormTable = {forward, backward};

}  // namespace neuronode::NN_ISA
