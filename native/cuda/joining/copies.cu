// Copies of boxes and borders.
//
// Policy: where both sides are stored alike, go from element to element in the last axis and are
// aligned, 16 bytes are moved at a time. Whatever is left goes element by element.
#include "joining/copies.h"
#include "kernels/access.h"

namespace neuronode::cuda {

struct Fill {
  Floats y;
  float value;

  NN_DEVICE void operator()(int64_t i) const { storeAt(y, i, value); }
};

struct CopyFloats {
  Floats to, from;
  Nest<2> nest;

  NN_DEVICE void operator()(int64_t i) const {
    int64_t at[2];
    nest.place(i, at);
    storeAt(to, at[0], loadAt(from, at[1]));
  }
};

using Words = Pack<uint32_t, 4>;

// Of a nest in units of 16 bytes.
struct CopyWords {
  Words* to;
  const Words* from;
  Nest<2> nest;

  NN_DEVICE void operator()(int64_t i) const {
    int64_t at[2];
    nest.place(i, at);
    to[at[0]] = from[at[1]];
  }
};

struct Extend {
  Floats x, y;
  math::Border border;

  NN_DEVICE void operator()(int64_t i) const {
    int64_t rest = i / border.inner;
    const int64_t lane = i - rest * border.inner;
    int64_t next = rest / border.wide();
    const int64_t column = rest - next * border.wide();
    const int64_t outer = next / border.tall(), row = next - outer * border.tall();
    const int64_t pixel =
        (outer * border.height + border.row(row)) * border.width + border.column(column);
    storeAt(y, i, loadAt(x, pixel * border.inner + lane));
  }
};

struct ExtendGrad {
  Floats gy, gx;
  math::Border border;

  NN_DEVICE void operator()(int64_t i) const {
    const int64_t rest = i / border.inner, lane = i - rest * border.inner;
    const int64_t next = rest / border.width, column = rest - next * border.width;
    const int64_t outer = next / border.height, row = next - outer * border.height;
    float sum = 0.0f;
    const auto addRow = [&](int64_t y) {
      const int64_t first = (outer * border.tall() + y + border.top) * border.wide() + border.left;
      math::forCopies(border.mode, column, border.width, border.left, border.right,
                      [&](int64_t x) { sum += loadAt(gy, (first + x) * border.inner + lane); });
    };
    math::forCopies(border.mode, row, border.height, border.top, border.bottom, addRow);
    storeAt(gx, i, sum);
  }
};

namespace {

// The nest in units of `size` elements, if it can be gone through in these.
bool inUnits(Nest<2>& nest, int64_t size) {
  const int last = nest.axes - 1;
  if (nest.size[last] % size != 0) return false;
  for (auto& stride : nest.stride) {
    if (stride[last] != 1) return false;
    for (int axis = 0; axis < last; ++axis) {
      if (stride[axis] % size != 0) return false;
      stride[axis] /= size;
    }
  }
  nest.size[last] /= size;
  return true;
}

}  // namespace

void fill(cudaStream_t stream, Floats y, int64_t count, float value) {
  launchElements(stream, "fill", count, Fill{y, value});
}

void copy(cudaStream_t stream, Floats to, Floats from, const Nest<2>& nest) {
  Nest<2> units = nest;
  const auto size = static_cast<int64_t>(sizeof(Words) / storageSize(to.storage));
  if (to.storage == from.storage && isAligned(to.at) && isAligned(from.at) &&
      inUnits(units, size)) {
    launchElements(
        stream, "copy", units.count(),
        CopyWords{static_cast<Words*>(to.at), static_cast<const Words*>(from.at), units});
    return;
  }
  launchElements(stream, "copy", nest.count(), CopyFloats{to, from, nest});
}

void extend(cudaStream_t stream, Floats x, Floats y, const math::Border& border) {
  launchElements(stream, "extend", border.outer * border.tall() * border.wide() * border.inner,
                 Extend{x, y, border});
}

void extendGrad(cudaStream_t stream, Floats gy, Floats gx, const math::Border& border) {
  launchElements(stream, "extendGrad", border.outer * border.height * border.width * border.inner,
                 ExtendGrad{gy, gx, border});
}

}  // namespace neuronode::cuda
