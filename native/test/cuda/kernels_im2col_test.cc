// Windows to columns and back, against loops over plain definitions.
#include "convolution/im2col.h"
#include "kernels_test.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::nearFloats;
using testing::randomFloats;
using testing::rounded;
using testing::sameFloats;
using testing::storageName;

ConvProblem problem(int64_t n, int64_t c, int64_t h, int64_t w, int64_t r, int64_t s, int64_t pad,
                    int64_t stride, int64_t dilation, int64_t groups) {
  ConvProblem p;
  p.n = n, p.c = c, p.h = h, p.w = w, p.r = r, p.s = s, p.k = groups;
  p.padH = pad, p.padW = pad / 2, p.strideH = stride, p.strideW = stride + 1;
  p.dilationH = dilation, p.dilationW = 1, p.groups = groups;
  p.oh = (h + 2 * p.padH - dilation * (r - 1) - 1) / p.strideH + 1;
  p.ow = (w + 2 * p.padW - (s - 1) - 1) / p.strideW + 1;
  return p;
}

// For every element of the columns: visit(its index, the index in x, or -1 in the padding).
template <class Visit>
void forColumns(const ConvProblem& p, int64_t group, int64_t firstImage, int64_t images,
                Visit visit) {
  const int64_t channels = p.c / p.groups;
  int64_t at = 0;
  for (int64_t n = firstImage; n < firstImage + images; ++n) {
    for (int64_t i = 0; i < p.oh; ++i) {
      for (int64_t j = 0; j < p.ow; ++j) {
        for (int64_t r = 0; r < p.r; ++r) {
          for (int64_t s = 0; s < p.s; ++s) {
            for (int64_t c = 0; c < channels; ++c) {
              const int64_t y = i * p.strideH - p.padH + r * p.dilationH;
              const int64_t x = j * p.strideW - p.padW + s * p.dilationW;
              const bool inside = y >= 0 && y < p.h && x >= 0 && x < p.w;
              visit(at++, inside ? ((n * p.h + y) * p.w + x) * p.c + group * channels + c : -1);
            }
          }
        }
      }
    }
  }
}

class CudaIm2Col : public KernelTest {};

TEST_F(CudaIm2Col, GathersWindowsAndScattersThemBack) {
  for (const ConvProblem& p :
       {problem(3, 6, 7, 8, 3, 3, 1, 1, 1, 2), problem(2, 4, 9, 5, 3, 2, 2, 2, 2, 1),
        problem(2, 3, 5, 6, 1, 1, 0, 2, 1, 3), problem(1, 1, 11, 11, 5, 4, 3, 1, 2, 1)}) {
    for (const Storage storage : kStorages) {
      for (int64_t group = 0; group < p.groups; ++group) {
        SCOPED_TRACE(::testing::Message() << problemName(p) << storageName(storage) << group);
        const int64_t first = p.n > 1 ? 1 : 0, images = p.n - first;
        const int64_t count = images * p.oh * p.ow * p.r * p.s * (p.c / p.groups);
        const auto x = rounded(randomFloats(p.n * p.h * p.w * p.c, -1, 1, 1), storage);
        std::vector<float> want(static_cast<size_t>(count));
        forColumns(p, group, first, images, [&](int64_t at, int64_t source) {
          want[static_cast<size_t>(at)] = source < 0 ? 0.0f : x[static_cast<size_t>(source)];
        });
        const FloatArray xDevice(x, storage);
        const DeviceArray<float> columns(count);
        im2col(stream(), p, group, first, images, xDevice.floats(), columns.at());
        EXPECT_TRUE(sameFloats(read(columns), want));

        const auto grads = randomFloats(count, -1, 1, 2);
        std::vector<double> sums(x.begin(), x.end());
        const int64_t channels = p.c / p.groups;
        for (size_t i = 0; i < sums.size(); ++i) {
          const auto at = static_cast<int64_t>(i);
          const bool written = at % p.c / channels == group && at / (p.h * p.w * p.c) >= first;
          if (written) sums[i] = 0.0;
        }
        forColumns(p, group, first, images, [&](int64_t at, int64_t target) {
          if (target >= 0) sums[static_cast<size_t>(target)] += grads[static_cast<size_t>(at)];
        });
        const DeviceArray<float> gradsDevice(grads);
        col2im(stream(), p, group, first, images, gradsDevice.at(), xDevice.floats());
        const double relative = storage == Storage::F32 ? 1e-6 : 1.0 / 256;
        EXPECT_TRUE(nearFloats(read(xDevice), sums, relative, 1e-6));
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
