#include "cpu/convolution/blocked_weight_grad.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(BlockedGradKernels, kBlockedGradKernels)

namespace {

// One block of channels and as many of outputs as fit into registers, at the positions of one box,
// stay in the L1 cache while all taps pass over them.
constexpr int64_t kBoxFloats = 6 << 10;
// All tasks pass over this much before the next, so that they find it in a cache that they share.
constexpr int64_t kPartFloats = 1 << 20;
// Channels of a task, and how often it fills the registers with outputs: both sides of a box stay
// in the L2 cache.
constexpr int64_t kTaskChannels = 32;
constexpr int64_t kTaskPieces = 2;
constexpr int64_t kLeastTaskBlocks = 4;
// Units of work to have at least, as long as the partial sums are no more than this.
constexpr int64_t kUnits = 64;
constexpr int64_t kPartialFloats = 4 << 20;  // 16 MiB

}  // namespace

const BlockedGradKernels& blockedGradKernels(Isa isa) { return kBlockedGradKernels(isa); }

bool BlockedWeightGrad::supported(const ConvShape& s, int lanes) {
  return s.groups == 1 || (s.c / s.groups % lanes == 0 && s.k / s.groups % lanes == 0);
}

BlockedWeightGrad::BlockedWeightGrad(const ConvShape& shape, const BlockedGradKernels& kernels,
                                     WeightOrder order)
    : shape_(shape), kernels_(kernels), order_(order) {
  ConvShape& s = shape_;
  if (s.isPointwise()) {
    s.w = s.outW = s.h * s.w;  // an image is one row of pixels
    s.h = s.outH = 1;
  }
  const int64_t lanes = kernels.lanes;
  cBlocks_ = ceilDivide(s.c / s.groups, lanes);
  kBlocks_ = ceilDivide(s.k / s.groups, lanes);
  cTasks_ = ceilDivide(cBlocks_, kTaskChannels / lanes);
  kTasks_ = ceilDivide(kBlocks_, std::max(kLeastTaskBlocks, kTaskPieces * kernels.blocks));
  tasks_ = s.groups * cTasks_ * kTasks_;
  taskFloats_ =
      taps() * ceilDivide(cBlocks_, cTasks_) * ceilDivide(kBlocks_, kTasks_) * lanes * lanes;

  const int64_t positions = kBoxFloats / (lanes * (1 + kernels.blocks));
  const int64_t pixels = s.outH * s.outW;
  step_ = {0, 1, 0, 1, 0, s.outW};
  if (pixels <= positions) {
    step_.images = std::min(s.n, positions / pixels);
    step_.rows = s.outH;
  } else if (s.outW <= positions) {
    step_.rows = positions / s.outW;
  } else {
    step_.columns = ceilDivide(s.outW, (s.outW + positions / 2) / positions);
  }
  rowBoxes_ = ceilDivide(s.outH, step_.rows);
  columnBoxes_ = ceilDivide(s.outW, step_.columns);
  boxes_ = ceilDivide(s.n, step_.images) * rowBoxes_ * columnBoxes_;
  slices_ = std::min(ceilDivide(kUnits, tasks_), kPartialFloats / (tasks_ * taskFloats_));
  slices_ = std::clamp<int64_t>(slices_, 1, boxes_);
  const int64_t floats = s.n * (s.c * s.h * s.w + s.k * pixels);
  parts_ = std::clamp<int64_t>(floats / kPartFloats, 1, boxes_ / slices_);
}

std::size_t BlockedWeightGrad::workspaceBytes() const {
  const auto units = static_cast<std::size_t>(tasks_ * slices_);
  return units * (static_cast<std::size_t>(taskFloats_) * sizeof(float) + sizeof(Progress));
}

BlockedWeightGrad::Box BlockedWeightGrad::box(int64_t index) const {
  const int64_t column = index % columnBoxes_ * step_.columns;
  const int64_t row = index / columnBoxes_ % rowBoxes_ * step_.rows;
  const int64_t image = index / columnBoxes_ / rowBoxes_ * step_.images;
  return {image,  std::min(step_.images, shape_.n - image),
          row,    std::min(step_.rows, shape_.outH - row),
          column, std::min(step_.columns, shape_.outW - column)};
}

BlockedWeightGrad::Task BlockedWeightGrad::task(int64_t index) const {
  const int64_t c = index % cTasks_, k = index / cTasks_ % kTasks_;
  const int64_t firstC = c * cBlocks_ / cTasks_, firstK = k * kBlocks_ / kTasks_;
  return {index / cTasks_ / kTasks_, firstC, (c + 1) * cBlocks_ / cTasks_ - firstC, firstK,
          (k + 1) * kBlocks_ / kTasks_ - firstK};
}

// sums: [tap, channels, outputs], the last two in whole blocks
void BlockedWeightGrad::addBox(const float* x, const float* gy, const Task& t, const Box& b,
                               float* sums) const {
  const ConvShape& s = shape_;
  const int64_t lanes = kernels_.lanes;
  const int64_t xBlock = s.h * s.w * lanes, gyBlock = s.outH * s.outW * lanes;
  const int64_t xImage = s.groups * cBlocks_ * xBlock, gyImage = s.groups * kBlocks_ * gyBlock;
  const int64_t pieces = ceilDivide(t.kBlocks, kernels_.blocks);
  const int64_t sumStride = t.kBlocks * lanes, tapFloats = t.cBlocks * lanes * sumStride;
  const int64_t channels = s.c / s.groups;
  for (int64_t piece = 0; piece < pieces; ++piece) {
    const int64_t firstK = piece * t.kBlocks / pieces;
    const float* gyOfBlock =
        gy + b.image * gyImage + (t.group * kBlocks_ + t.firstK + firstK) * gyBlock;
    for (int64_t c = 0; c < t.cBlocks; ++c) {
      const float* xOfBlock = x + b.image * xImage + (t.group * cBlocks_ + t.firstC + c) * xBlock;
      TapSum tap{};
      tap.images = b.images;
      tap.xImage = xImage;
      tap.xRow = s.strideH * s.w * lanes;
      tap.xColumn = s.strideW * lanes;
      tap.gyImage = gyImage;
      tap.gyRow = s.outW * lanes;
      tap.gyBlock = gyBlock;
      tap.sumStride = sumStride;
      tap.channels = static_cast<int>(std::min(lanes, channels - (t.firstC + c) * lanes));
      tap.blocks = static_cast<int>((piece + 1) * t.kBlocks / pieces - firstK);
      for (int64_t index = 0; index < taps(); ++index) {
        const int64_t offsetH = index / s.kernelW * s.dilationH - s.padH;
        const int64_t offsetW = index % s.kernelW * s.dilationW - s.padW;
        const PositionRange rows = insidePositions(b.row, b.row + b.rows, offsetH, s.strideH, s.h);
        const PositionRange columns =
            insidePositions(b.column, b.column + b.columns, offsetW, s.strideW, s.w);
        if (rows.begin == rows.end || columns.begin == columns.end) continue;
        tap.rows = rows.end - rows.begin;
        tap.columns = columns.end - columns.begin;
        tap.x = xOfBlock +
                ((rows.begin * s.strideH + offsetH) * s.w + columns.begin * s.strideW + offsetW) *
                    lanes;
        tap.gy = gyOfBlock + (rows.begin * s.outW + columns.begin) * lanes;
        tap.sums = sums + index * tapFloats + c * lanes * sumStride + firstK * lanes;
        kernels_.addTap(tap);
      }
    }
  }
}

// One part of a slice for one task, after the parts before it.
void BlockedWeightGrad::addPart(const float* x, const float* gy, int64_t unit, int64_t part,
                                float* sums) const {
  if (part == 0) std::memset(sums, 0, sizeof(float) * static_cast<std::size_t>(taskFloats_));
  const int64_t slice = unit / tasks_;
  const int64_t first = slice * boxes_ / slices_;
  const int64_t count = (slice + 1) * boxes_ / slices_ - first;
  const Task t = task(unit % tasks_);
  const int64_t end = first + (part + 1) * count / parts_;
  for (int64_t i = first + part * count / parts_; i < end; ++i) addBox(x, gy, t, box(i), sums);
}

void BlockedWeightGrad::run(const float* x, const float* gy, float* gw, void* workspace) const {
  const int64_t units = slices_ * tasks_;
  auto* sums = static_cast<float*>(workspace);
  auto* done = reinterpret_cast<Progress*>(sums + units * taskFloats_);  // parts of each unit
  for (int64_t unit = 0; unit < units; ++unit) std::construct_at(done + unit, 0);
  std::atomic<int64_t> next = 0;
  // Without barriers, at which all threads would wait for one that was sent to sleep: a unit waits
  // for its own part before alone, which was begun as many units ago as there are.
#pragma omp parallel
  for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < units * parts_;) {
    const int64_t unit = i % units, part = i / units;
    while (done[unit].load(std::memory_order_acquire) < part) std::this_thread::yield();
    addPart(x, gy, unit, part, sums + unit * taskFloats_);
    done[unit].store(part + 1, std::memory_order_release);
  }
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < tasks_; ++i) {
    float* total = sums + i * taskFloats_;
    for (int64_t slice = 1; slice < slices_; ++slice) {
      const float* part = sums + (slice * tasks_ + i) * taskFloats_;
#pragma omp simd
      for (int64_t j = 0; j < taskFloats_; ++j) total[j] += part[j];
    }
    if (order_ == WeightOrder::Blocked) {
      storeBlocks(task(i), total, gw);
    } else {
      store(task(i), total, gw);
    }
  }
}

void BlockedWeightGrad::storeBlocks(const Task& t, const float* sums, float* gw) const {
  const int64_t lanes = kernels_.lanes, sumStride = t.kBlocks * lanes;
  for (int64_t k = 0; k < t.kBlocks; ++k) {
    for (int64_t c = 0; c < t.cBlocks; ++c) {
      const int64_t block = (t.group * kBlocks_ + t.firstK + k) * cBlocks_ + t.firstC + c;
      float* to = gw + block * taps() * lanes * lanes;
      for (int64_t tap = 0; tap < taps(); ++tap) {
        const float* from = sums + (tap * t.cBlocks + c) * lanes * sumStride + k * lanes;
        for (int64_t row = 0; row < lanes; ++row, to += lanes) {
          std::copy_n(from + row * sumStride, lanes, to);
        }
      }
    }
  }
}

void BlockedWeightGrad::store(const Task& t, const float* sums, float* gw) const {
  const int64_t lanes = kernels_.lanes;
  const int64_t groupC = shape_.c / shape_.groups, groupK = shape_.k / shape_.groups;
  const int64_t firstC = t.firstC * lanes, firstK = t.firstK * lanes;
  const int64_t channels = std::min(t.cBlocks * lanes, groupC - firstC);
  const int64_t outputs = std::min(t.kBlocks * lanes, groupK - firstK);
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t tap = 0; tap < taps(); ++tap) {
      const float* from = sums + (tap * t.cBlocks * lanes + c) * t.kBlocks * lanes;
      float* to = gw + ((t.group * groupK + firstK) * groupC + firstC + c) * taps() + tap;
      for (int64_t k = 0; k < outputs; ++k) to[k * groupC * taps()] = from[k];
    }
  }
}

}  // namespace neuronode
