// Local response normalisation; see cpu/normalisation/local_response_norm.h.
//
// A piece's squares go into scratch memory, where the channels of a window lie at equal distances
// whatever the layout. The gradient puts gy y / base, which the windows of the input sum, into
// scratch memory of its own, and gy / divisor into the result, from which the sums are taken.
#include "cpu/normalisation/local_response_norm.h"

#include <algorithm>

#include "cpu/parallel.h"

namespace neuronode::NN_ISA {
namespace {

/// The memory and the work of one piece. A row is what lies together in the tensor and in scratch
/// memory: the pixels of one channel, or a block of channels of one pixel.
template <int V>
class Piece {
 public:
  Piece(const LocalResponseNorm& norm, const ResponsePiece& place, int64_t index)
      : place_(place),
        shape_(norm.shape),
        firstPixel_(index % place.pieces * place.pixels),
        count_(std::min(place.pixels, norm.shape.hw - firstPixel_)),
        image_(index / place.pieces * norm.shape.groups() * norm.shape.hw * V) {}

  /// Calls fn(offset in the tensor, offset in scratch memory, floats, floats that are no padding)
  /// for every row.
  template <class Fn>
  [[gnu::always_inline]] void forRows(Fn fn) const {
    for (int64_t group = 0; group < shape_.groups(); ++group) {
      const int64_t from = image_ + (group * shape_.hw + firstPixel_) * V;
      const int64_t to = place_.lead + group * V * place_.channelStep;
      if constexpr (V == 1) {
        fn(from, to, count_, count_);
      } else {
        const int64_t used = std::min<int64_t>(V, shape_.c - group * V);
        for (int64_t pixel = 0; pixel < count_; ++pixel) {
          fn(from + pixel * V, to + pixel * place_.pixelStep, int64_t{V}, used);
        }
      }
    }
  }

  /// Zeros before the first channel and behind the last.
  void clearMargins(float* values) const {
    const int64_t lead = place_.lead, channels = shape_.groups() * V * place_.channelStep;
    const int64_t lines = V == 1 ? 1 : count_;
    for (int64_t line = 0; line < lines; ++line) {
      float* at = values + line * place_.pixelStep;
      const size_t bytes = static_cast<size_t>(lead) * sizeof(float);
      std::memset(at, 0, bytes);
      std::memset(at + lead + channels, 0, bytes);
    }
  }

  /// sums[0..floats) of the values from `before` channels before to `after` behind.
  [[gnu::always_inline]] void sumWindow(const float* at, int64_t before, int64_t after,
                                        int64_t floats, float* sums) const {
    const int64_t step = place_.channelStep;
    if constexpr (V > 1) {
      using L = Lanes<V>;
      typename L::F sum{};
      for (int64_t d = -before; d <= after; ++d) sum += L::load(at + d);
      L::store(sums, sum);
    } else {
      for (int64_t i = 0; i < floats; ++i) sums[i] = at[i - before * step];
      for (int64_t d = 1 - before; d <= after; ++d) {
        const float* values = at + d * step;
#pragma omp simd
        for (int64_t i = 0; i < floats; ++i) sums[i] += values[i];
      }
    }
  }

  int64_t before() const { return place_.before; }
  int64_t after() const { return place_.after; }

 private:
  const ResponsePiece& place_;
  const PlaneShape& shape_;
  int64_t firstPixel_, count_, image_;
};

/// The longest row.
constexpr int64_t kRow = ResponsePiece::kPlainPixels;

template <int V>
void fillSquares(const Piece<V>& piece, const float* x, float* squares) {
  piece.clearMargins(squares);
  piece.forRows([=](int64_t from, int64_t to, int64_t floats, int64_t) {
    const float* values = x + from;
    float* out = squares + to;
#pragma omp simd
    for (int64_t i = 0; i < floats; ++i) out[i] = values[i] * values[i];
  });
}

[[gnu::always_inline]] inline void clearPadding(float* row, int64_t used, int64_t floats) {
  for (int64_t i = used; i < floats; ++i) row[i] = 0.0f;
}

template <int V, bool kThreeQuarters>
void forwardPiece(const Piece<V>& piece, const math::ResponseNorm& norm, const float* x, float* y,
                  float* squares) {
  fillSquares(piece, x, squares);
  piece.forRows([=, &piece](int64_t from, int64_t to, int64_t floats, int64_t used) {
    alignas(64) float sums[kRow];
    piece.sumWindow(squares + to, piece.before(), piece.after(), floats, sums);
    const float* values = x + from;
    float* out = y + from;
#pragma omp simd
    for (int64_t i = 0; i < floats; ++i) {
      const float base = math::responseBase(norm, sums[i]);
      out[i] = values[i] / math::responseDivisor<kThreeQuarters>(norm, base);
    }
    clearPadding(out, used, floats);
  });
}

template <int V, bool kThreeQuarters>
void backwardPiece(const Piece<V>& piece, const math::ResponseNorm& norm, const float* gy,
                   const float* x, float* gx, float* squares, float* terms) {
  fillSquares(piece, x, squares);
  piece.clearMargins(terms);
  piece.forRows([=, &piece](int64_t from, int64_t to, int64_t floats, int64_t used) {
    alignas(64) float sums[kRow];
    piece.sumWindow(squares + to, piece.before(), piece.after(), floats, sums);
    const float *values = x + from, *upper = gy + from;
    float *out = gx + from, *term = terms + to;
#pragma omp simd
    for (int64_t i = 0; i < floats; ++i) {
      const float base = math::responseBase(norm, sums[i]);
      const float direct = upper[i] / math::responseDivisor<kThreeQuarters>(norm, base);
      out[i] = direct;
      term[i] = direct * values[i] / base;
    }
    clearPadding(term, used, floats);
  });
  // An input lies in the windows of the channels from `after` before it to `before` behind it.
  piece.forRows([=, &piece](int64_t from, int64_t to, int64_t floats, int64_t used) {
    alignas(64) float sums[kRow];
    piece.sumWindow(terms + to, piece.after(), piece.before(), floats, sums);
    const float* values = x + from;
    float* out = gx + from;
#pragma omp simd
    for (int64_t i = 0; i < floats; ++i) out[i] -= norm.slope * values[i] * sums[i];
    clearPadding(out, used, floats);
  });
}

/// Calls fn(block, three quarters, piece, scratch memory of its own) for every piece.
template <class Fn>
void forPieces(const LocalResponseNorm& norm, int64_t scratchFloats, float* scratch, Fn fn) {
  const ResponsePiece place(norm);
  const int64_t count = norm.shape.n * place.pieces;
  const int64_t workers = std::min(norm.workers, count);
  const int64_t floats =
      count * place.pixels * norm.shape.c * 8;  // a root costs as much as 8 loads
  const auto run = [&](auto block, auto threeQuarters) {
    parallelItems(workers, floats / std::max<int64_t>(1, workers), [&](int64_t worker) {
      for (int64_t i = worker; i < count; i += workers) {
        fn(block, threeQuarters, Piece<block>(norm, place, i), scratch + worker * scratchFloats);
      }
    });
  };
  withBlock(norm.shape.block, [&](auto block) {
    if (math::isThreeQuarters(math::responseNorm(norm.options))) {
      run(block, std::true_type{});
    } else {
      run(block, std::false_type{});
    }
  });
}

void forward(const LocalResponseNorm& norm, const float* x, float* y, float* scratch) {
  const math::ResponseNorm shared = math::responseNorm(norm.options);
  forPieces(norm, ResponsePiece(norm).floats, scratch,
            [=](auto block, auto threeQuarters, const auto& piece, float* squares) {
              forwardPiece<block, threeQuarters>(piece, shared, x, y, squares);
            });
}

void backward(const LocalResponseNorm& norm, const float* gy, const float* x, float* gx,
              float* scratch) {
  const math::ResponseNorm shared = math::responseNorm(norm.options);
  const int64_t floats = ResponsePiece(norm).floats;
  forPieces(norm, 2 * floats, scratch,
            [=](auto block, auto threeQuarters, const auto& piece, float* squares) {
              backwardPiece<block, threeQuarters>(piece, shared, gy, x, gx, squares,
                                                  squares + floats);
            });
}

}  // namespace

extern const LocalResponseNormKernels localResponseNormTable;
const LocalResponseNormKernels localResponseNormTable = {forward, backward};

}  // namespace neuronode::NN_ISA
