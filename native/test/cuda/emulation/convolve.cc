#include "convolve.h"

#include <algorithm>
#include <vector>

#include "gemm.h"
#include "stored.h"

namespace neuronode::cuda::emulation {

namespace {

// Kept from call to call: work that faults is left by a jump, which would lose them.
struct Scratch {
  std::vector<float> x, filter, y, columns, product;
  std::vector<double> sums;
};
Scratch& scratch() {
  static thread_local Scratch kept;
  return kept;
}

void loadAll(const void* at, Storage storage, int64_t count, std::vector<float>& to) {
  to.resize(count);
  for (int64_t i = 0; i < count; ++i) to[i] = load(at, storage, i);
}

class Convolution {
 public:
  Convolution(const ConvProblem& problem, const ConvPointers& pointers)
      : p_(problem),
        at_(pointers),
        channels_(p_.c / p_.groups),
        filters_(p_.k / p_.groups),
        taps_(p_.r * p_.s * channels_),
        pixels_(p_.oh * p_.ow),
        tf32_(p_.precision == Precision::TF32) {
    scratch().columns.resize(pixels_ * taps_);
  }

  void forward() {
    loadAll(at_.x, p_.x, xCount(p_), scratch().x);
    loadAll(at_.filter, p_.filter, filterCount(p_), scratch().filter);
    std::vector<float>& y = scratch().y;
    y.resize(yCount(p_));
    each([&](int64_t image, int64_t group) {
      toColumns(image, group);
      gemm(pixels_, filters_, taps_, columns(), {filter(group), 1, taps_},
           y.data() + yPlace(image, group), p_.k, tf32_);
    });
    for (int64_t i = 0; i < yCount(p_); ++i) {
      float value = y[i];
      if (p_.bias) value += load(at_.bias, p_.y, i % p_.k);
      if (p_.relu && value <= 0) value = 0;
      store(at_.y, p_.y, i, value);
    }
  }

  void inputGrad() {
    loadAll(at_.filter, p_.filter, filterCount(p_), scratch().filter);
    loadAll(at_.y, p_.y, yCount(p_), scratch().y);
    std::vector<double>& x = scratch().sums;
    x.assign(xCount(p_), 0.0);
    each([&](int64_t image, int64_t group) {
      gemm(pixels_, taps_, filters_, {scratch().y.data() + yPlace(image, group), p_.k, 1},
           {filter(group), taps_, 1}, scratch().columns.data(), taps_, tf32_);
      eachTap(image, group, [&](int64_t column, int64_t place) {
        for (int64_t c = 0; c < channels_; ++c) x[place + c] += scratch().columns[column + c];
      });
    });
    for (int64_t i = 0; i < xCount(p_); ++i) store(at_.x, p_.x, i, static_cast<float>(x[i]));
  }

  void weightGrad() {
    loadAll(at_.x, p_.x, xCount(p_), scratch().x);
    loadAll(at_.y, p_.y, yCount(p_), scratch().y);
    std::vector<double>& sums = scratch().sums;
    std::vector<float>& product = scratch().product;
    sums.assign(filterCount(p_), 0.0);
    product.resize(filters_ * taps_);
    each([&](int64_t image, int64_t group) {
      toColumns(image, group);
      gemm(filters_, taps_, pixels_, {scratch().y.data() + yPlace(image, group), 1, p_.k},
           columns(), product.data(), taps_, tf32_);
      double* sum = sums.data() + group * filters_ * taps_;
      for (int64_t i = 0; i < filters_ * taps_; ++i) sum[i] += product[i];
    });
    for (int64_t i = 0; i < filterCount(p_); ++i) {
      store(at_.filter, p_.filter, i, static_cast<float>(sums[i]));
    }
  }

 private:
  template <class Body>
  void each(Body body) const {
    for (int64_t image = 0; image < p_.n; ++image) {
      for (int64_t group = 0; group < p_.groups; ++group) body(image, group);
    }
  }

  MatrixView columns() const { return {scratch().columns.data(), taps_, 1}; }
  const float* filter(int64_t group) const {
    return scratch().filter.data() + group * filters_ * taps_;
  }
  int64_t yPlace(int64_t image, int64_t group) const {
    return image * pixels_ * p_.k + group * filters_;
  }

  // body(first column of a tap, first channel's place in x), where the tap is inside the image.
  template <class Body>
  void eachTap(int64_t image, int64_t group, Body body) const {
    for (int64_t pixel = 0; pixel < pixels_; ++pixel) {
      for (int64_t tap = 0; tap < p_.r * p_.s; ++tap) {
        const int64_t h = pixel / p_.ow * p_.strideH - p_.padH + tap / p_.s * p_.dilationH;
        const int64_t w = pixel % p_.ow * p_.strideW - p_.padW + tap % p_.s * p_.dilationW;
        if (h < 0 || h >= p_.h || w < 0 || w >= p_.w) continue;
        body(pixel * taps_ + tap * channels_,
             ((image * p_.h + h) * p_.w + w) * p_.c + group * channels_);
      }
    }
  }

  void toColumns(int64_t image, int64_t group) const {
    Scratch& kept = scratch();
    std::fill(kept.columns.begin(), kept.columns.end(), 0.0F);
    eachTap(image, group, [&](int64_t column, int64_t place) {
      std::copy_n(kept.x.data() + place, channels_, kept.columns.data() + column);
    });
  }

  const ConvProblem& p_;
  const ConvPointers& at_;
  int64_t channels_, filters_, taps_, pixels_;  // channels and filters of a group
  bool tf32_;
};

}  // namespace

int64_t xCount(const ConvProblem& p) { return p.n * p.c * p.h * p.w; }
int64_t filterCount(const ConvProblem& p) { return p.k * (p.c / p.groups) * p.r * p.s; }
int64_t yCount(const ConvProblem& p) { return p.n * p.k * p.oh * p.ow; }

void convolve(const ConvProblem& problem, const ConvPointers& pointers) {
  Convolution convolution(problem, pointers);
  switch (problem.kind) {
    case ConvKind::Forward:
      return convolution.forward();
    case ConvKind::InputGrad:
      return convolution.inputGrad();
    case ConvKind::WeightGrad:
      return convolution.weightGrad();
  }
}

}  // namespace neuronode::cuda::emulation
