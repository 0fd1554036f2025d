// Batch normalisation over images, plain or blocked, on the CPU.
//
// Policy: called from one device thread, parallel inside with OpenMP, no allocation. Sums are in
// f64, of slices of the batch that the shape alone cuts, in a fixed order: the same bits for any
// number of threads. Rows past `rows` are padding: they enter no sum, and y and gx are zero there.
// Padding lanes stay zero. Buffers need no alignment beyond that of float.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/isa.h"
#include "cpu/plane_shape.h"
#include "math/rectifier.h"

namespace neuronode {

/// Where a channel's statistics come from.
enum class Statistics : uint8_t { Batch, Given };

/// y = (x - mean) / sqrt(var + eps) * weight + bias [+ residual], rectified.
struct BatchNormForward {
  PlaneShape shape;
  double eps;
  Statistics statistics;
  math::Rectifier rectifier;
  int64_t rows;           // from 0 to shape.n
  const float* x;         // as are residual and y
  const float* weight;    // [c], or null for ones
  const float* bias;      // [c], or null for zeros
  const float* residual;  // or null
  float* y;
  float* mean;        // [c]: written from the batch, or read where the statistics are given
  float* var;         // [c], likewise; divided by the number of values
  double* workspace;  // batchNormWorkspace() bytes; unused where the statistics are given
};

/// gy counts where the rectified output y lets it pass: all of it where the rectifier has no ends.
struct BatchNormBackward {
  PlaneShape shape;
  double eps;
  Statistics statistics;
  math::Rectifier rectifier;
  int64_t rows;
  const float* gy;  // as are x, y and gx
  const float* x;
  const float* y;       // or null: it is computed anew from x, and nothing was added to it
  const float* mean;    // [c]
  const float* var;     // [c]
  const float* weight;  // [c], or null for ones
  const float* bias;    // [c], or null for zeros; read where y is computed anew
  float* gx;
  float* gweight;  // [c], or null
  float* gbias;    // [c], or null
  double* workspace;
};

struct BatchNormKernels {
  void (*forward)(const BatchNormForward& call);
  void (*backward)(const BatchNormBackward& call);
};

const BatchNormKernels& batchNormKernels(Isa isa = detectIsa());

/// Slices of the batch whose sums are apart.
int64_t batchNormSlices(const PlaneShape& shape);
/// Bytes of sums: two for each slice and lane.
size_t batchNormWorkspace(const PlaneShape& shape);

/// The running statistics of `channels` after one more batch, whose mean and biased variance are
/// over `count` values for each channel; numBatches grows by one.
struct RunningStatistics {
  int64_t channels;
  double momentum;
  bool cumulative;  // the mean over all batches instead of the moving one
};
/// numBatches may be null where it is not cumulative.
void updateRunning(const RunningStatistics& settings, double count, const float* mean,
                   const float* var, float* runningMean, float* runningVar, int32_t* numBatches);

}  // namespace neuronode
