// What lies beyond the border of an image: padding that repeats the image's own pixels.
#pragma once

#include <cstdint>

#include "math/macros.h"

namespace neuronode::math {

// As PyTorch's padding modes. Their numbers are the graph's attribute `mode`.
enum class BorderMode : uint8_t { Constant = 0, Reflect = 1, Replicate = 2, Circular = 3 };

// The element in [0, size) that stands at place i, which may be beyond either end: by less than
// `size` for Reflect, by at most `size` for Circular.
NN_HD int64_t borderSource(BorderMode mode, int64_t i, int64_t size) {
  switch (mode) {
    case BorderMode::Reflect:
      return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
    case BorderMode::Circular:
      return i < 0 ? i + size : i >= size ? i - size : i;
    default:
      return i < 0 ? 0 : i >= size ? size - 1 : i;
  }
}

// Images [outer, height, width, inner] and how far they are extended on each side.
struct Border {
  BorderMode mode;
  int64_t outer, height, width, inner;
  int64_t top, bottom, left, right;

  NN_HD int64_t tall() const { return height + top + bottom; }
  NN_HD int64_t wide() const { return width + left + right; }
  NN_HD int64_t row(int64_t i) const { return borderSource(mode, i - top, height); }
  NN_HD int64_t column(int64_t j) const { return borderSource(mode, j - left, width); }
};

// The places in [-before, size + after) that show element `at` of an axis, each once: calls
// fn(place) in their order.
template <class Fn>
NN_HD void forCopies(BorderMode mode, int64_t at, int64_t size, int64_t before, int64_t after,
                     Fn fn) {
  for (int64_t i = -before; i < size + after; ++i) {
    if (i == 0) i = at;  // inside, an element shows itself alone
    if (borderSource(mode, i, size) == at) fn(i);
    if (i == at) i = size - 1;
  }
}

}  // namespace neuronode::math
