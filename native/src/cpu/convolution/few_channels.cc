#include "cpu/convolution/few_channels.h"

#include <algorithm>
#include <cstring>

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(FewChannelsKernels, kFewChannelsKernels)

namespace {

// Images between two barriers: enough work for the threads, little enough to stay in cache.
constexpr int64_t kImagesAtOnce = 4;
constexpr int64_t kFloatsPerLine = 16;

int64_t roundUp(int64_t floats) {
  return (floats + kFloatsPerLine - 1) / kFloatsPerLine * kFloatsPerLine;
}

}  // namespace

const FewChannelsKernels& fewChannelsKernels(Isa isa) { return kFewChannelsKernels(isa); }

FewChannelsWeightGrad::FewChannelsWeightGrad(const ConvShape& shape,
                                             const FewChannelsKernels& kernels)
    : shape_(shape), kernels_(kernels) {}

int64_t FewChannelsWeightGrad::blockPairs() const {
  const int64_t channels = 2 * kernels_.lanes;
  return (shape_.k + channels - 1) / channels;
}

// [pair, c, kernelH, kernelW, 2, lanes]
int64_t FewChannelsWeightGrad::sumFloats() const {
  return roundUp(blockPairs() * shape_.c * shape_.kernelH * shape_.kernelW * 2 * kernels_.lanes);
}

std::size_t FewChannelsWeightGrad::workspaceBytes() const {
  const int64_t padded = isPadded() ? kImagesAtOnce * imageFloats() : 0;
  return static_cast<std::size_t>(sumFloats() + padded) * sizeof(float);
}

void FewChannelsWeightGrad::copyPadded(const float* x, int64_t images, float* padded) const {
  const ConvShape& s = shape_;
#pragma omp parallel for schedule(static)
  for (int64_t plane = 0; plane < images * s.c; ++plane) {
    float* to = padded + plane * paddedH() * paddedW();
    std::memset(to, 0, sizeof(float) * paddedH() * paddedW());
    for (int64_t row = 0; row < s.h; ++row) {
      std::memcpy(to + (row + s.padH) * paddedW() + s.padW, x + (plane * s.h + row) * s.w,
                  sizeof(float) * s.w);
    }
  }
}

void FewChannelsWeightGrad::run(const float* x, const float* gy, float* gw, void* workspace) const {
  const ConvShape& s = shape_;
  const int64_t lanes = kernels_.lanes;
  const int64_t groups = (s.k + lanes - 1) / lanes;
  const int64_t blockFloats = s.outH * s.outW * lanes;
  const int64_t rowSumFloats = s.kernelW * 2 * lanes;
  auto* sums = static_cast<float*>(workspace);
  float* padded = sums + sumFloats();
  std::memset(sums, 0, sizeof(float) * sumFloats());
  const int64_t rows = s.c * s.kernelH;
  for (int64_t first = 0; first < s.n; first += kImagesAtOnce) {
    const int64_t images = std::min(kImagesAtOnce, s.n - first);
    const float* pixels = x + first * imageFloats();
    if (isPadded()) {
      copyPadded(x + first * s.c * s.h * s.w, images, padded);
      pixels = padded;
    }
#pragma omp parallel for schedule(dynamic) collapse(2)
    for (int64_t pair = 0; pair < blockPairs(); ++pair) {
      for (int64_t row = 0; row < rows; ++row) {
        const int64_t channel = row / s.kernelH, kh = row % s.kernelH;
        for (int64_t i = 0; i < images; ++i) {
          kernels_.accumulateRow(
              {.x = pixels + i * imageFloats() +
                    (channel * paddedH() + kh * s.dilationH) * paddedW(),
               .gy = gy + ((first + i) * groups + 2 * pair) * blockFloats,
               .outH = s.outH,
               .outW = s.outW,
               .strideW = s.strideW,
               .dilationW = s.dilationW,
               .rowStep = s.strideH * paddedW(),
               .blockStride = blockFloats,
               .kernelW = s.kernelW,
               .blocks = static_cast<int>(std::min<int64_t>(2, groups - 2 * pair)),
               .sums = sums + (pair * rows + row) * rowSumFloats});
        }
      }
    }
  }
  storeGradient(sums, gw);
}

void FewChannelsWeightGrad::storeGradient(const float* sums, float* gw) const {
  const int64_t lanes = kernels_.lanes;
  const int64_t taps = shape_.c * shape_.kernelH * shape_.kernelW;
  for (int64_t k = 0; k < shape_.k; ++k) {
    const int64_t pair = k / (2 * lanes), lane = k % (2 * lanes);
    for (int64_t tap = 0; tap < taps; ++tap) {
      gw[k * taps + tap] = sums[(pair * taps + tap) * 2 * lanes + lane];
    }
  }
}

}  // namespace neuronode
