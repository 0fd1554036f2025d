// Loops over several tensors at once, a stride for each: what broadcasting, sums and copies of
// boxes have in common, on every device.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "math/macros.h"

namespace neuronode {

// A number for each axis of memory, outermost first.
using Axes = std::vector<int64_t>;

// Plain data, which kernels take by value. Axes of one element are left out and neighbours that
// every tensor walks through without a gap are joined, so that the last axis is as long as it can
// be.
template <int kTensors>
struct Nest {
  static constexpr int kMostAxes = 8;

  int axes = 1;
  int64_t size[kMostAxes] = {1};
  // Elements from one to the next along an axis; 0 where a tensor repeats.
  int64_t stride[kTensors][kMostAxes] = {};

  int64_t count() const {
    int64_t product = 1;
    for (int axis = 0; axis < axes; ++axis) product *= size[axis];
    return product;
  }

  // Where each tensor is in round `i` of the loops, of which the last axis runs fastest.
  NN_HD void place(int64_t i, int64_t (&at)[kTensors]) const {
    for (int t = 0; t < kTensors; ++t) at[t] = 0;
    if (i >> 31 == 0) {  // GPUs divide 64-bit numbers slowly
      placeAs(static_cast<uint32_t>(i), at);
    } else {
      placeAs(static_cast<uint64_t>(i), at);
    }
  }

 private:
  template <class Index>
  NN_HD void placeAs(Index rest, int64_t (&at)[kTensors]) const {
    for (int axis = axes - 1; axis > 0; --axis) {
      // An axis longer than the index reaches is not gone through.
      const Index next =
          size[axis] > static_cast<int64_t>(rest) ? 0 : rest / static_cast<Index>(size[axis]);
      const int64_t index = static_cast<int64_t>(rest) - static_cast<int64_t>(next) * size[axis];
      for (int t = 0; t < kTensors; ++t) at[t] += index * stride[t][axis];
      rest = next;
    }
    for (int t = 0; t < kTensors; ++t) at[t] += static_cast<int64_t>(rest) * stride[t][0];
  }
};

// Strides of dense memory with these axes.
inline Axes rowStrides(const Axes& sizes) {
  Axes strides(sizes.size());
  int64_t stride = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= sizes[axis];
  }
  return strides;
}

// Where a place of dense memory with these axes is, in elements.
inline int64_t offsetOf(const Axes& sizes, const Axes& place) {
  const Axes strides = rowStrides(sizes);
  int64_t offset = 0;
  for (size_t axis = 0; axis < place.size(); ++axis) offset += place[axis] * strides[axis];
  return offset;
}

// Strides of a tensor that is repeated along its axes of one element.
inline Axes repeatedStrides(const Axes& sizes) {
  Axes strides = rowStrides(sizes);
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    if (sizes[axis] == 1) strides[axis] = 0;
  }
  return strides;
}

// Loops over `sizes`. At most Nest::kMostAxes of them are longer than one.
template <size_t kTensors>
Nest<static_cast<int>(kTensors)> makeNest(const Axes& sizes,
                                          const std::array<Axes, kTensors>& strides) {
  Nest<static_cast<int>(kTensors)> nest;
  int axes = 0;
  for (size_t axis = 0; axis < sizes.size(); ++axis) {
    if (sizes[axis] == 1) continue;
    bool joins = axes > 0;
    for (size_t t = 0; t < kTensors && joins; ++t) {
      joins = nest.stride[t][axes - 1] == strides[t][axis] * sizes[axis];
    }
    const int target = joins ? axes - 1 : axes++;
    nest.size[target] = joins ? nest.size[target] * sizes[axis] : sizes[axis];
    for (size_t t = 0; t < kTensors; ++t) nest.stride[t][target] = strides[t][axis];
  }
  if (axes > 0) nest.axes = axes;
  return nest;
}

// A sum over some axes of a tensor: what is kept, and what is added up for each of those.
struct SumNest {
  Nest<1> kept;            // strides of x; the sums lie in this order, dense
  Nest<1> reduced;         // strides of x
  bool innerKept = false;  // whether the last axis of memory is one that is kept
};

// Of memory x into sums whose axes are 1 where x is summed up.
inline SumNest makeSumNest(const Axes& x, const Axes& sums) {
  SumNest nest;
  Axes kept, keptStrides, reduced, reducedStrides;
  const Axes strides = rowStrides(x);
  for (size_t axis = 0; axis < x.size(); ++axis) {
    if (x[axis] == 1) continue;
    const bool isKept = sums[axis] == x[axis];
    (isKept ? kept : reduced).push_back(x[axis]);
    (isKept ? keptStrides : reducedStrides).push_back(strides[axis]);
    nest.innerKept = isKept;
  }
  nest.kept = makeNest<1>(kept, {keptStrides});
  nest.reduced = makeNest<1>(reduced, {reducedStrides});
  return nest;
}

// Into how many slices the elements that are added up for each sum are divided, so that many
// processors have work: by the shape alone.
inline int64_t sumSlices(const SumNest& nest) {
  constexpr int64_t kSliceFloats = 16384, kItems = 256, kSideBySide = 16;
  const int64_t kept = nest.kept.count(), reduced = nest.reduced.count();
  const int64_t items = nest.innerKept ? (kept + kSideBySide - 1) / kSideBySide : kept;
  const int64_t most = std::min({kItems / items, kept * reduced / kSliceFloats, reduced});
  return std::max<int64_t>(most, 1);
}

}  // namespace neuronode
