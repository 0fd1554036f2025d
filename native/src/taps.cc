#include "taps.h"

#include <algorithm>
#include <cmath>

namespace neuronode {

int64_t AxisTaps::each() const {
  const auto count = static_cast<int64_t>(index.size());
  const int64_t share = count / out;
  for (int64_t place = 0; place <= out; ++place) {
    if (begin[static_cast<size_t>(place)] != place * share) return 0;
  }
  return share;
}

AxisTaps AxisTaps::transposed() const {
  AxisTaps result{out, in, std::vector<int32_t>(static_cast<size_t>(in) + 1), {}, {}};
  result.index.resize(index.size());
  result.weight.resize(index.size());
  for (const int32_t cell : index) ++result.begin[static_cast<size_t>(cell) + 1];
  for (size_t cell = 1; cell < result.begin.size(); ++cell) {
    result.begin[cell] += result.begin[cell - 1];
  }
  std::vector<int32_t> next(result.begin.begin(), result.begin.end() - 1);
  for (size_t place = 0; place + 1 < begin.size(); ++place) {
    for (auto tap = static_cast<size_t>(begin[place]); tap < static_cast<size_t>(begin[place + 1]);
         ++tap) {
      const auto at = static_cast<size_t>(next[static_cast<size_t>(index[tap])]++);
      result.index[at] = static_cast<int32_t>(place);
      result.weight[at] = weight[tap];
    }
  }
  return result;
}

namespace {

AxisTaps withEach(int64_t in, int64_t out, int32_t each) {
  AxisTaps taps{in, out, {}, {}, {}};
  for (int32_t place = 0; place <= out; ++place) taps.begin.push_back(place * each);
  return taps;
}

// As many places as there are cells are the cells, whatever the scale, as in PyTorch.
bool isScaled(int64_t in, int64_t out, double scale) { return scale > 0 && in != out; }

int32_t cellAt(double place, int64_t in) {
  return static_cast<int32_t>(std::clamp(std::floor(place), 0.0, static_cast<double>(in - 1)));
}

}  // namespace

AxisTaps nearestTaps(int64_t in, int64_t out, double scale) {
  AxisTaps taps = withEach(in, out, 1);
  // PyTorch's is of f32, which decides where a place begins on the border of two cells.
  const float step = isScaled(in, out, scale) ? static_cast<float>(1.0 / scale)
                                              : static_cast<float>(in) / static_cast<float>(out);
  for (int64_t place = 0; place < out; ++place) {
    taps.index.push_back(cellAt(static_cast<float>(place) * step, in));
    taps.weight.push_back(1.0f);
  }
  return taps;
}

AxisTaps linearTaps(int64_t in, int64_t out, double scale, bool aligned) {
  AxisTaps taps = withEach(in, out, 2);
  double step =
      isScaled(in, out, scale) ? 1.0 / scale : static_cast<double>(in) / static_cast<double>(out);
  if (aligned) step = out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0.0;
  for (int64_t place = 0; place < out; ++place) {
    const auto index = static_cast<double>(place);
    const double at = std::max(aligned ? step * index : step * (index + 0.5) - 0.5, 0.0);
    const int32_t first = cellAt(at, in);
    const double rest = std::clamp(at - first, 0.0, 1.0);
    taps.index.push_back(first);
    taps.index.push_back(std::min(first + 1, static_cast<int32_t>(in - 1)));
    taps.weight.push_back(static_cast<float>(1.0 - rest));
    taps.weight.push_back(static_cast<float>(rest));
  }
  return taps;
}

ResamplingTaps resamplingTaps(const Attrs& attrs, const Shape& x, const Shape& y) {
  const std::vector<double>& scales = attrs.list("scales", 2);
  const bool isLinear = attrs.flag("bilinear"), aligned = attrs.flag("alignCorners");
  const auto along = [&](size_t axis) {
    const int64_t in = x[2 + axis], out = y[2 + axis];
    return isLinear ? linearTaps(in, out, scales[axis], aligned)
                    : nearestTaps(in, out, scales[axis]);
  };
  return {along(0), along(1)};
}

}  // namespace neuronode
