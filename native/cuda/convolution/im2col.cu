// Convolution as matrix product: windows to columns, and back.
//
// Policy: element by element, since only what the library has no plan for comes here.
#include "convolution/im2col.h"
#include "kernels/access.h"
#include "pooling/windows.h"

namespace neuronode::cuda {

struct ColumnShape {
  PoolAxis rows, columns;  // cells of x and places of the filter
  int channels;            // of a group
  int64_t pixelStride;     // all channels of x
  int64_t firstChannel;    // of the group
  int64_t firstImage;

  NN_DEVICE int64_t taps() const { return int64_t{rows.kernel} * columns.kernel * channels; }
  // Of x.
  NN_DEVICE int64_t placeAt(int64_t image, int row, int column, int channel) const {
    const int64_t pixel = ((firstImage + image) * rows.in + row) * columns.in + column;
    return pixel * pixelStride + firstChannel + channel;
  }
};

struct Im2Col {
  ColumnShape shape;
  Floats x;
  float* to;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t window = i / shape.taps();
    const auto tap = static_cast<int>(i - window * shape.taps());
    const Place out = placeOf(window, shape.rows.out, shape.columns.out, 1);
    const int channel = tap % shape.channels, place = tap / shape.channels;
    const int kw = place % shape.columns.kernel, kh = place / shape.columns.kernel;
    const int row = out.row * shape.rows.stride - shape.rows.pad + kh * shape.rows.dilation;
    const int column =
        out.column * shape.columns.stride - shape.columns.pad + kw * shape.columns.dilation;
    const bool inside = row >= 0 && row < shape.rows.in && column >= 0 && column < shape.columns.in;
    to[i] = inside ? loadAt(x, shape.placeAt(out.n, row, column, channel)) : 0.0f;
  }
};

struct Col2Im {
  ColumnShape shape;
  const float* from;
  Floats x;

  NN_DEVICE void operator()(int64_t i) const {
    const Place in = placeOf(i, shape.rows.in, shape.columns.in, shape.channels);
    const Range overRow = windowsOver(shape.rows, in.row);
    const Range overColumn = windowsOver(shape.columns, in.column);
    float sum = 0.0f;
    for (int r = overRow.begin; r < overRow.end; ++r) {
      const int kh = placeIn(shape.rows, r, in.row);
      if (kh < 0) continue;
      for (int s = overColumn.begin; s < overColumn.end; ++s) {
        const int kw = placeIn(shape.columns, s, in.column);
        if (kw < 0) continue;
        const int64_t window = (in.n * shape.rows.out + r) * shape.columns.out + s;
        const int tap = (kh * shape.columns.kernel + kw) * shape.channels + in.pack;
        sum += from[window * shape.taps() + tap];
      }
    }
    storeAt(x, shape.placeAt(in.n, in.row, in.column, in.pack), sum);
  }
};

namespace {

ColumnShape columnShape(const ConvProblem& p, int64_t group, int64_t firstImage) {
  const auto axis = [](int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                       int64_t dilation) {
    return PoolAxis{static_cast<int>(in),     static_cast<int>(out), static_cast<int>(kernel),
                    static_cast<int>(stride), static_cast<int>(pad), static_cast<int>(dilation)};
  };
  const int64_t channels = p.c / p.groups;
  return {axis(p.h, p.oh, p.r, p.strideH, p.padH, p.dilationH),
          axis(p.w, p.ow, p.s, p.strideW, p.padW, p.dilationW),
          static_cast<int>(channels),
          p.c,
          group * channels,
          firstImage};
}

}  // namespace

void im2col(cudaStream_t stream, const ConvProblem& problem, int64_t group, int64_t firstImage,
            int64_t images, Floats x, float* columns) {
  const int64_t taps = problem.r * problem.s * (problem.c / problem.groups);
  launchElements(stream, "im2col", images * problem.oh * problem.ow * taps,
                 Im2Col{columnShape(problem, group, firstImage), x, columns});
}

void col2im(cudaStream_t stream, const ConvProblem& problem, int64_t group, int64_t firstImage,
            int64_t images, const float* columns, Floats x) {
  launchElements(stream, "col2im", images * problem.h * problem.w * (problem.c / problem.groups),
                 Col2Im{columnShape(problem, group, firstImage), columns, x});
}

}  // namespace neuronode::cuda
