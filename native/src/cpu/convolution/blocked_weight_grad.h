// The weight gradient of a convolution over channel-blocked activations.
//
// oneDNN's kernels for it divide the sum over images and pixels among their threads, so that their
// rounding depends on the number of threads. Here the work is cut by shape alone: into tasks of
// some channels by some outputs, and, where those are few, into slices of the positions whose sums
// are added in their order.
//
// Policy: called from one thread, parallel inside with OpenMP; bit-identical for every number of
// threads. No allocation.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cpu/convolution/conv_shape.h"
#include "cpu/isa.h"

namespace neuronode {

/// One tap of the filter over a box of output positions, for one block of channels by some blocks
/// of outputs.
struct TapSum {
  const float* x;   // the pixel under the tap at the first position
  const float* gy;  // the first position, in the first block
  int64_t images, rows, columns;
  int64_t xImage, xRow, xColumn;    // floats from one position's pixel to the next one's
  int64_t gyImage, gyRow, gyBlock;  // the same of gy; columns lie side by side
  int64_t sumStride;                // floats between channels
  int channels, blocks;
  float* sums;  // [channels rounded up to kernels.rows, blocks, lanes], added to
};

struct BlockedGradKernels {
  int lanes;
  int rows;    // channels at a time, of which a block has a multiple
  int blocks;  // at most, of outputs
  void (*addTap)(const TapSum& tap);
};

const BlockedGradKernels& blockedGradKernels(Isa isa = detectIsa());

/// How a weight gradient lies: [k, c / groups, kernelH, kernelW], or in blocks of `lanes` of both
/// channels, [groups, blocks of k, blocks of c, kernelH, kernelW, lanes of c, lanes of k].
enum class WeightOrder { Plain, Blocked };

class BlockedWeightGrad {
 public:
  explicit BlockedWeightGrad(const ConvShape& shape,
                             const BlockedGradKernels& kernels = blockedGradKernels(),
                             WeightOrder order = WeightOrder::Plain);

  /// Whether a group's channels and outputs are whole blocks, or there is one group.
  static bool supported(const ConvShape& shape, int lanes);

  std::size_t workspaceBytes() const;
  /// x, gy: channel-blocked with zeros in padding lanes; gw: overwritten, with zeros in padding
  /// lanes; workspace: aligned to 8 bytes, better 64.
  void run(const float* x, const float* gy, float* gw, void* workspace) const;

 private:
  using Progress = std::atomic<int64_t>;
  struct Box {
    int64_t image, images, row, rows, column, columns;
  };
  struct Task {
    int64_t group, firstC, cBlocks, firstK, kBlocks;  // in blocks of the group
  };

  int64_t taps() const { return shape_.taps(); }
  Box box(int64_t index) const;
  Task task(int64_t index) const;
  void addBox(const float* x, const float* gy, const Task& task, const Box& box, float* sums) const;
  void addPart(const float* x, const float* gy, int64_t unit, int64_t part, float* sums) const;
  void store(const Task& task, const float* sums, float* gw) const;
  void storeBlocks(const Task& task, const float* sums, float* gw) const;

  ConvShape shape_;
  const BlockedGradKernels& kernels_;
  WeightOrder order_;
  int64_t cBlocks_, kBlocks_;  // of a group
  int64_t cTasks_, kTasks_, tasks_;
  int64_t taskFloats_;
  Box step_;  // positions at a time
  int64_t rowBoxes_, columnBoxes_, boxes_;
  int64_t slices_, parts_;
};

}  // namespace neuronode
