#include "cpu/normalisation/batch_norm.h"

#include <algorithm>
#include <limits>

#include "cpu/isa_tables.h"
#include "math/batch_norm.h"

namespace neuronode {

NN_ISA_TABLES(BatchNormKernels, batchNormTable)

const BatchNormKernels& batchNormKernels(Isa isa) { return batchNormTable(isa); }

// Enough pieces for many threads, of one image at least.
int64_t batchNormSlices(const PlaneShape& shape) {
  constexpr int64_t kPieces = 64;
  return std::clamp<int64_t>((kPieces + shape.groups() - 1) / shape.groups(), 1, shape.n);
}

size_t batchNormWorkspace(const PlaneShape& shape) {
  const int64_t lanes = shape.groups() * shape.block;
  return static_cast<size_t>(batchNormSlices(shape) * lanes) * 2 * sizeof(double);
}

void updateRunning(const RunningStatistics& settings, double count, const float* mean,
                   const float* var, float* runningMean, float* runningVar, int32_t* numBatches) {
  if (count < 1) return;
  if (numBatches && *numBatches < std::numeric_limits<int32_t>::max()) ++*numBatches;
  const double share =
      math::newShare(settings.momentum, settings.cumulative, numBatches ? *numBatches : 1);
  for (int64_t c = 0; c < settings.channels; ++c) {
    runningMean[c] = math::runningValue(runningMean[c], mean[c], share);
    runningVar[c] = math::runningValue(runningVar[c], math::unbiased(var[c], count), share);
  }
}

}  // namespace neuronode
