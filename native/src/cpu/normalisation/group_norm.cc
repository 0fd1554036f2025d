#include "cpu/normalisation/group_norm.h"

#include <algorithm>

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(GroupNormKernels, groupNormTable)

const GroupNormKernels& groupNormKernels(Isa isa) { return groupNormTable(isa); }

int64_t GroupNorm::slices() const { return std::clamp<int64_t>(shape.n / 16, 1, 64); }

int64_t groupNormWorkspace(const GroupNorm& norm, bool gradient) {
  const PlaneShape& shape = norm.shape;
  const int64_t channels = shape.groups() * shape.block;
  // Two sums of each channel and image, and the floats of each group's gradient, which fill a
  // double; of rows without pixels, two sums of each channel and slice.
  if (shape.hw == 1 && shape.block == 1) return gradient ? 2 * norm.slices() * channels : 0;
  return shape.n * (2 * channels + norm.groups);
}

}  // namespace neuronode
