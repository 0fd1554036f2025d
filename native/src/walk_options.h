// What a graph's nodes say of padding and of sums over axes. For every backend.
#pragma once

#include "graph/spec.h"
#include "math/border.h"

namespace neuronode {

// How images of shape x [..., H, W] are extended; `outer` and `inner` are the layout's to say.
inline math::Border borderOf(const Attrs& attrs, const Shape& x) {
  const auto places = [&](const char* name) { return attrs.list(name, x.size()); };
  const std::vector<double> before = places("before"), after = places("after");
  const size_t row = x.size() - 2, column = row + 1;
  math::Border border{};
  border.mode = static_cast<math::BorderMode>(attrs.integer("mode"));
  border.height = x[row];
  border.width = x[column];
  border.top = static_cast<int64_t>(before[row]);
  border.bottom = static_cast<int64_t>(after[row]);
  border.left = static_cast<int64_t>(before[column]);
  border.right = static_cast<int64_t>(after[column]);
  return border;
}

// What the sums of x into y are divided by: how many elements each is of, where means are wanted.
inline double sumDivisor(const Attrs& attrs, const Shape& x, const Shape& y) {
  if (!attrs.flag("mean")) return 1.0;
  return static_cast<double>(elementCount(x)) / static_cast<double>(elementCount(y));
}

}  // namespace neuronode
