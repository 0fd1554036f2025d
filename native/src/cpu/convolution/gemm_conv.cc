#include "cpu/convolution/gemm_conv.h"

#include <omp.h>

#include <atomic>
#include <cstring>
#include <string>

#include "cpu/onednn.h"
#include "math/activation.h"
#include "oneapi/dnnl/dnnl.h"

namespace neuronode {

namespace {

// Floats of the gathered pixels of one product, which stay in the L2 cache, as long as that leaves
// enough columns to be worth packing the weights for.
constexpr int64_t kColumnFloats = 128 << 10;
constexpr int64_t kLeastPixels = 64;
// Rows of an input gradient's product.
constexpr int64_t kGradientRows = 256;
// Units of work that a weight gradient has at least, by slices of the batch, as long as there are
// so many images and the partial sums are no more than this.
constexpr int64_t kUnits = 32;
constexpr int64_t kPartialFloats = 4 << 20;  // 16 MiB

void check(dnnl_status_t status) {
  if (status == dnnl_success) return;
  throw Error(onednn::codeOf(status), "oneDNN: sgemm: status " + std::to_string(status));
}

}  // namespace

GemmConv::GemmConv(const ConvShape& shape, int threads) : shape_(shape), threads_(threads) {}

int64_t GemmConv::stripPixels(int64_t rows) const {
  return std::min(pixels(), std::max(kLeastPixels, kColumnFloats / rows));
}

int64_t GemmConv::channelsAtOnce() const {
  return std::clamp<int64_t>(kGradientRows / shape_.taps(), 1, shape_.c / shape_.groups);
}

std::size_t GemmConv::forwardBytes() const {
  if (shape_.isPointwise()) return 0;
  return static_cast<std::size_t>(rows() * stripPixels(rows())) * sizeof(float) * threads_;
}

std::size_t GemmConv::inputGradientBytes() const {
  if (shape_.isPointwise()) return 0;
  const int64_t rows = channelsAtOnce() * shape_.taps();
  return static_cast<std::size_t>(rows * stripPixels(rows)) * sizeof(float) * threads_;
}

int64_t GemmConv::gradientSlices() const {
  const int64_t most = std::min(shape_.n, kPartialFloats / gradientFloats());
  return std::clamp<int64_t>(ceilDivide(kUnits, shape_.groups), 1, std::max<int64_t>(most, 1));
}

// The columns of each thread, then the sums of each slice where there are several.
std::size_t GemmConv::weightGradientBytes() const {
  const int64_t slices = gradientSlices();
  const int64_t sums = slices > 1 ? slices * gradientFloats() : 0;
  return forwardBytes() + static_cast<std::size_t>(sums) * sizeof(float);
}

// Calls segment(column, count, inside, first) for the rows of pixels of a strip: of `count` columns
// from `column`, those of `inside` see pixels of the input, from `first` in steps of the stride.
template <class Segment>
void GemmConv::forSegments(const Strip& strip, int64_t tap, Segment segment) const {
  const ConvShape& s = shape_;
  const int64_t offsetH = tap / s.kernelW * s.dilationH - s.padH;
  const int64_t offsetW = tap % s.kernelW * s.dilationW - s.padW;
  for (int64_t at = strip.begin; at < strip.end;) {
    const int64_t row = at / s.outW, column = at % s.outW;
    const int64_t count = std::min(s.outW - column, strip.end - at);
    const int64_t h = row * s.strideH + offsetH;
    PositionRange inside{column, column};
    if (h >= 0 && h < s.h) {
      inside = insidePositions(column, column + count, offsetW, s.strideW, s.w);
    }
    const int64_t first = h * s.w + inside.begin * s.strideW + offsetW;
    segment(at - strip.begin, count, PositionRange{inside.begin - column, inside.end - column},
            first);
    at += count;
  }
}

// columns: [channels, taps, strip]
void GemmConv::gather(const float* x, int64_t channels, const Strip& strip, float* columns) const {
  const int64_t stride = shape_.strideW;
  for (int64_t c = 0; c < channels; ++c, x += shape_.h * shape_.w) {
    for (int64_t tap = 0; tap < shape_.taps(); ++tap, columns += strip.size()) {
      forSegments(strip, tap, [&](int64_t at, int64_t count, PositionRange inside, int64_t first) {
        float* to = columns + at;
        std::fill(to, to + inside.begin, 0.0f);
        if (stride == 1) {
          std::copy(x + first, x + first + (inside.end - inside.begin), to + inside.begin);
        } else {
          const float* from = x + first;
          for (int64_t i = inside.begin; i < inside.end; ++i, from += stride) to[i] = *from;
        }
        std::fill(to + inside.end, to + count, 0.0f);
      });
    }
  }
}

// A group's pixels under each tap: as they lie, or gathered.
GemmConv::Columns GemmConv::columnsOf(const float* x, const Strip& strip, float* gathered) const {
  if (shape_.isPointwise()) return {x + strip.begin, pixels()};
  gather(x, shape_.c / shape_.groups, strip, gathered);
  return {gathered, strip.size()};
}

void GemmConv::scatterAdd(const float* columns, int64_t channels, const Strip& strip,
                          float* gx) const {
  const int64_t stride = shape_.strideW;
  for (int64_t c = 0; c < channels; ++c, gx += shape_.h * shape_.w) {
    for (int64_t tap = 0; tap < shape_.taps(); ++tap, columns += strip.size()) {
      forSegments(strip, tap, [&](int64_t at, int64_t, PositionRange inside, int64_t first) {
        const float* from = columns + at;
        float* to = gx + first;
        for (int64_t i = inside.begin; i < inside.end; ++i, to += stride) *to += from[i];
      });
    }
  }
}

void GemmConv::forward(const float* x, const float* w, const float* bias, float* y, bool relu,
                       void* workspace) const {
  const ConvShape& s = shape_;
  const int64_t channels = s.c / s.groups, outputs = s.k / s.groups;
  const int64_t width = stripPixels(rows()), strips = ceilDivide(pixels(), width);
  std::atomic<dnnl_status_t> failure = dnnl_success;
  // Inside a parallel region oneDNN computes with the calling thread alone.
#pragma omp parallel for schedule(dynamic) collapse(3) num_threads(threads_)
  for (int64_t image = 0; image < s.n; ++image) {
    for (int64_t group = 0; group < s.groups; ++group) {
      for (int64_t index = 0; index < strips; ++index) {
        const Strip strip{index * width, std::min((index + 1) * width, pixels())};
        const Columns columns =
            columnsOf(x + (image * s.c + group * channels) * s.h * s.w, strip,
                      static_cast<float*>(workspace) + omp_get_thread_num() * rows() * width);
        float* to = y + (image * s.k + group * outputs) * pixels() + strip.begin;
        const dnnl_status_t status =
            dnnl_sgemm('N', 'N', outputs, strip.size(), rows(), 1.0f, w + group * outputs * rows(),
                       rows(), columns.data, columns.stride, 0.0f, to, pixels());
        if (status != dnnl_success) failure = status;
        if (bias == nullptr && !relu) continue;
        for (int64_t k = 0; k < outputs; ++k, to += pixels()) {
          const float added = bias == nullptr ? 0.0f : bias[group * outputs + k];
          if (bias != nullptr) {
            for (int64_t i = 0; i < strip.size(); ++i) to[i] += added;
          }
          if (relu) {
            for (int64_t i = 0; i < strip.size(); ++i) to[i] = math::Relu{}.value(to[i]);
          }
        }
      }
    }
  }
  check(failure);
}

void GemmConv::inputGradient(const float* gy, const float* w, float* gx, void* workspace) const {
  const ConvShape& s = shape_;
  const int64_t channels = s.c / s.groups, outputs = s.k / s.groups, plane = s.h * s.w;
  const int64_t most = channelsAtOnce(), chunks = ceilDivide(channels, most);
  const int64_t width = stripPixels(most * s.taps());
  std::atomic<dnnl_status_t> failure = dnnl_success;
#pragma omp parallel for schedule(dynamic) collapse(3) num_threads(threads_)
  for (int64_t image = 0; image < s.n; ++image) {
    for (int64_t group = 0; group < s.groups; ++group) {
      for (int64_t chunk = 0; chunk < chunks; ++chunk) {
        const int64_t first = chunk * most, count = std::min(most, channels - first);
        const int64_t height = count * s.taps();
        float* to = gx + (image * s.c + group * channels + first) * plane;
        float* gathered =
            static_cast<float*>(workspace) + omp_get_thread_num() * most * s.taps() * width;
        if (!s.isPointwise()) std::fill(to, to + count * plane, 0.0f);
        for (int64_t begin = 0; begin < pixels(); begin += width) {
          const Strip strip{begin, std::min(begin + width, pixels())};
          float* columns = s.isPointwise() ? to + begin : gathered;
          const dnnl_status_t status =
              dnnl_sgemm('T', 'N', height, strip.size(), outputs, 1.0f,
                         w + group * outputs * rows() + first * s.taps(), rows(),
                         gy + (image * s.k + group * outputs) * pixels() + begin, pixels(), 0.0f,
                         columns, s.isPointwise() ? pixels() : strip.size());
          if (status != dnnl_success) failure = status;
          if (!s.isPointwise()) scatterAdd(columns, count, strip, to);
        }
      }
    }
  }
  check(failure);
}

void GemmConv::weightGradient(const float* x, const float* gy, float* gw, void* workspace) const {
  const ConvShape& s = shape_;
  const int64_t channels = s.c / s.groups, outputs = s.k / s.groups;
  const int64_t width = stripPixels(rows()), slices = gradientSlices(), floats = gradientFloats();
  auto* gathered = static_cast<float*>(workspace);
  float* sums = slices > 1 ? gathered + forwardBytes() / sizeof(float) : gw;
  std::atomic<dnnl_status_t> failure = dnnl_success;
#pragma omp parallel for schedule(dynamic) collapse(2) num_threads(threads_)
  for (int64_t slice = 0; slice < slices; ++slice) {
    for (int64_t group = 0; group < s.groups; ++group) {
      const int64_t first = slice * s.n / slices, end = (slice + 1) * s.n / slices;
      float* sum = sums + slice * floats + group * outputs * rows();
      for (int64_t image = first; image < end; ++image) {
        for (int64_t begin = 0; begin < pixels(); begin += width) {
          const Strip strip{begin, std::min(begin + width, pixels())};
          const Columns columns = columnsOf(x + (image * s.c + group * channels) * s.h * s.w, strip,
                                            gathered + omp_get_thread_num() * rows() * width);
          const bool isFirst = image == first && begin == 0;
          const dnnl_status_t status =
              dnnl_sgemm('N', 'T', outputs, rows(), strip.size(), 1.0f,
                         gy + (image * s.k + group * outputs) * pixels() + begin, pixels(),
                         columns.data, columns.stride, isFirst ? 0.0f : 1.0f, sum, rows());
          if (status != dnnl_success) failure = status;
        }
      }
    }
  }
  check(failure);
  if (slices == 1) return;
  constexpr int64_t kPiece = 4096;
#pragma omp parallel for schedule(static) if (floats > kPiece) num_threads(threads_)
  for (int64_t begin = 0; begin < floats; begin += kPiece) {
    const int64_t end = std::min(floats, begin + kPiece);
    std::copy(sums + begin, sums + end, gw + begin);
    for (int64_t slice = 1; slice < slices; ++slice) {
      const float* part = sums + slice * floats;
      for (int64_t i = begin; i < end; ++i) gw[i] += part[i];
    }
  }
}

}  // namespace neuronode
