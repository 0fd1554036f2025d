// Which cells of an axis each place of its resampling takes, and what they weigh. For every
// backend.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/spec.h"

namespace neuronode {

// A sparse matrix for one axis: place o of `out` is the sum of weight[t] times cell index[t] of
// `in`, over t in [begin[o], begin[o + 1]).
struct AxisTaps {
  int64_t in, out;
  std::vector<int32_t> begin, index;
  std::vector<float> weight;

  // How many each place has, where all have as many; otherwise 0.
  int64_t each() const;
  // From places to cells: the gradient's.
  AxisTaps transposed() const;
};

// The cell whose share of the axis holds the place's beginning (torch.nn.functional.interpolate,
// 'nearest'). `scale`: places to a cell; 0 for out / in.
AxisTaps nearestTaps(int64_t in, int64_t out, double scale);
// The two cells on either side of the place's middle, by how near they are ('bilinear'); with
// `aligned` the axis goes from the middle of the first cell to that of the last.
AxisTaps linearTaps(int64_t in, int64_t out, double scale, bool aligned);

struct ResamplingTaps {
  AxisTaps h, w;
};

// Of a node that resamples images of shape `x` to shape `y`, [N, C, H, W] both.
ResamplingTaps resamplingTaps(const Attrs& attrs, const Shape& x, const Shape& y);

}  // namespace neuronode
