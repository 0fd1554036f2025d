#include "cpu/convolution/depthwise.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(DepthwiseKernels, kDepthwiseKernels)

namespace {

// What one task of a pass writes, about: small enough to share among threads, large enough to be
// worth a wait.
constexpr int64_t kTaskFloats = 4 << 10;
// Images whose sums are computed side by side where rows are short: as many as can lie in the L1
// cache at once where the distance between images is a multiple of its ways.
constexpr int64_t kImages = 4;
constexpr int64_t kShortRow = 8;
// What one piece of a weight gradient reads: all taps pass over it while it is in the cache.
constexpr int64_t kPieceFloats = 8 << 10;
// Units of work to have at least, as long as there are pieces.
constexpr int64_t kUnits = 64;

// The taps that a position reads, first and last, and the place under the first.
struct Reads {
  int64_t firstTap, taps, tapStep, in, inTap;

  bool sameTaps(const Reads& other) const {
    return firstTap == other.firstTap && taps == other.taps;
  }
};

// `place(position, tap)` is where the tap lies, or nothing. Positions that are `step` apart may
// read the same taps.
template <class Place>
std::vector<WindowRun> makeRuns(int64_t positions, int64_t step, int64_t inStep, int64_t kernel,
                                const Place& place) {
  const auto readsOf = [&](int64_t position) {
    Reads reads{0, 0, 1, 0, 0};
    for (int64_t tap = 0; tap < kernel; ++tap) {
      const std::optional<int64_t> at = place(position, tap);
      if (!at) continue;
      if (reads.taps == 0) reads.firstTap = tap, reads.in = *at;
      if (reads.taps == 1) reads.tapStep = tap - reads.firstTap, reads.inTap = *at - reads.in;
      ++reads.taps;
    }
    if (reads.inTap < 0) {  // so that places ascend
      reads.firstTap += (reads.taps - 1) * reads.tapStep, reads.tapStep = -reads.tapStep;
      reads.in += (reads.taps - 1) * reads.inTap, reads.inTap = -reads.inTap;
    }
    return reads;
  };
  std::vector<WindowRun> runs;
  for (int64_t phase = 0; phase < std::min(step, positions); ++phase) {
    std::optional<Reads> before;
    for (int64_t position = phase; position < positions; position += step) {
      const Reads reads = readsOf(position);
      if (before && reads.sameTaps(*before)) {
        ++runs.back().count;
        continue;
      }
      runs.push_back({position, 1, step, reads.firstTap, reads.taps, reads.tapStep, reads.in,
                      reads.taps == 0 ? 0 : inStep, reads.inTap});
      before = reads;
    }
  }
  return runs;
}

// [blocks, taps, lanes] of [c, taps], zeros in padding lanes.
void packWeights(const float* w, int64_t c, int64_t taps, int64_t lanes, float* packed) {
  const int64_t blocks = ceilDivide(c, lanes);
#pragma omp parallel for schedule(static) if (c * taps > 4096)
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t first = block * lanes, count = std::min(lanes, c - first);
    float* to = packed + block * taps * lanes;
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t lane = 0; lane < lanes; ++lane) {
        to[tap * lanes + lane] = lane < count ? w[(first + lane) * taps + tap] : 0.0F;
      }
    }
  }
}

// Calls fn for what of a run of rows lies in [begin, end).
template <class Fn>
void clipped(const WindowRun& run, int64_t begin, int64_t end, const Fn& fn) {
  const int64_t skipped = run.first >= begin ? 0 : ceilDivide(begin - run.first, run.step);
  const int64_t inside = run.first >= end ? 0 : ceilDivide(end - run.first, run.step);
  WindowRun part = run;
  part.count = std::min(run.count, inside) - skipped;
  part.first += skipped * run.step;
  part.firstIn += skipped * run.inStep;
  if (part.count > 0) fn(part);
}

struct Layout {
  int64_t width;  // of a plane
  int64_t image;  // floats from one image's plane to the next one's
};

// The boxes of the rows [firstRow, endRow), `rows` being all of them.
class BoxMaker {
 public:
  BoxMaker(std::vector<WindowRun> rows, std::vector<WindowRun> columns, Layout from, Layout to,
           int64_t kernelW, int64_t lanes)
      : rows_(std::move(rows)),
        columns_(std::move(columns)),
        from_(from),
        to_(to),
        kernelW_(kernelW),
        lanes_(lanes) {}

  // imagesInside: whether the innermost loop is that over images.
  std::vector<DepthwiseBox> make(int64_t firstRow, int64_t endRow, int64_t images,
                                 bool imagesInside) const {
    std::vector<DepthwiseBox> boxes;
    for (const WindowRun& run : rows_) {
      clipped(run, firstRow, endRow, [&](const WindowRun& row) {
        for (const WindowRun& column : columns_) {
          boxes.push_back(makeBox(row, column, images, imagesInside));
        }
      });
    }
    // The widest first: it streams through memory, and finds what the others read and write.
    const auto positions = [](const DepthwiseBox& box) {
      return box.loops[0].count * box.loops[1].count * box.loops[2].count;
    };
    std::stable_sort(boxes.begin(), boxes.end(), [&](const DepthwiseBox& a, const DepthwiseBox& b) {
      return positions(a) > positions(b);
    });
    return boxes;
  }

 private:
  DepthwiseBox makeBox(const WindowRun& row, const WindowRun& column, int64_t images,
                       bool imagesInside) const {
    const int64_t fromRow = from_.width * lanes_, toRow = to_.width * lanes_;
    DepthwiseBox box{};
    const DepthwiseLoop overImages{images, from_.image, to_.image};
    const DepthwiseLoop overRows{row.count, row.inStep * fromRow, row.step * toRow};
    const DepthwiseLoop overColumns{column.count, column.inStep * lanes_, column.step * lanes_};
    box.loops[imagesInside ? 2 : 0] = overImages;
    box.loops[imagesInside ? 0 : 1] = overRows;
    box.loops[imagesInside ? 1 : 2] = overColumns;
    box.rowTaps = row.taps, box.columnTaps = column.taps;
    box.fromRow = row.inTap * fromRow, box.fromColumn = column.inTap * lanes_;
    box.wRow = row.tapStep * kernelW_ * lanes_, box.wColumn = column.tapStep * lanes_;
    box.from = row.firstIn * fromRow + column.firstIn * lanes_;
    box.w = (row.firstTap * kernelW_ + column.firstTap) * lanes_;
    box.to = row.first * toRow + column.first * lanes_;
    return box;
  }

  std::vector<WindowRun> rows_, columns_;
  Layout from_, to_;
  int64_t kernelW_, lanes_;
};

BoxMaker forwardBoxes(const ConvShape& s, int64_t blocks, int64_t lanes) {
  return {forwardRuns(s.h, s.outH, s.kernelH, s.strideH, s.padH, s.dilationH),
          forwardRuns(s.w, s.outW, s.kernelW, s.strideW, s.padW, s.dilationW),
          {s.w, blocks * s.h * s.w * lanes},
          {s.outW, blocks * s.outH * s.outW * lanes},
          s.kernelW,
          lanes};
}

BoxMaker inputGradBoxes(const ConvShape& s, int64_t blocks, int64_t lanes) {
  return {inputGradRuns(s.h, s.outH, s.kernelH, s.strideH, s.padH, s.dilationH),
          inputGradRuns(s.w, s.outW, s.kernelW, s.strideW, s.padW, s.dilationW),
          {s.outW, blocks * s.outH * s.outW * lanes},
          {s.w, blocks * s.h * s.w * lanes},
          s.kernelW,
          lanes};
}

// The boxes of every `rowsAtATime` of the rows.
std::vector<std::vector<DepthwiseBox>> boxesByRows(const BoxMaker& maker, int64_t rows,
                                                   int64_t rowsAtATime, int64_t images,
                                                   bool imagesInside) {
  std::vector<std::vector<DepthwiseBox>> all;
  for (int64_t row = 0; row < rows; row += rowsAtATime) {
    all.push_back(maker.make(row, std::min(rows, row + rowsAtATime), images, imagesInside));
  }
  return all;
}

}  // namespace

const DepthwiseKernels& depthwiseKernels(Isa isa) { return kDepthwiseKernels(isa); }

std::vector<WindowRun> forwardRuns(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                   int64_t pad, int64_t dilation) {
  return makeRuns(out, 1, stride, kernel,
                  [=](int64_t position, int64_t tap) -> std::optional<int64_t> {
                    const int64_t at = position * stride - pad + tap * dilation;
                    if (at < 0 || at >= in) return std::nullopt;
                    return at;
                  });
}

std::vector<WindowRun> inputGradRuns(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                                     int64_t pad, int64_t dilation) {
  return makeRuns(in, stride, 1, kernel,
                  [=](int64_t position, int64_t tap) -> std::optional<int64_t> {
                    const int64_t at = position + pad - tap * dilation;
                    if (at < 0 || at % stride != 0 || at / stride >= out) return std::nullopt;
                    return at / stride;
                  });
}

DepthwiseConv::DepthwiseConv(const ConvShape& shape, Pass pass, const DepthwiseKernels& kernels)
    : shape_(shape), kernels_(kernels), blocks_(ceilDivide(shape.c, kernels.lanes)) {
  const ConvShape& s = shape_;
  const int64_t lanes = kernels.lanes;
  const bool forward = pass == Pass::Forward;
  const BoxMaker maker =
      forward ? forwardBoxes(s, blocks_, lanes) : inputGradBoxes(s, blocks_, lanes);
  const int64_t toH = forward ? s.outH : s.h, toW = forward ? s.outW : s.w;
  fromPlane_ = (forward ? s.h * s.w : s.outH * s.outW) * lanes;
  toPlane_ = toH * toW * lanes;
  const bool imagesInside = toW <= kShortRow && s.n >= kImages;
  imagesAtATime_ = imagesInside ? kImages : 1;
  const int64_t rowsAtATime =
      std::clamp<int64_t>(kTaskFloats / (imagesAtATime_ * toW * lanes), 1, toH);
  boxes_ = boxesByRows(maker, toH, rowsAtATime, imagesAtATime_, imagesInside);
  const int64_t last = s.n - (groups() - 1) * imagesAtATime_;
  lastBoxes_ = boxesByRows(maker, toH, rowsAtATime, last, imagesInside);
}

std::size_t DepthwiseConv::workspaceBytes() const {
  const int64_t floats = blocks_ * kernels_.lanes * (shape_.taps() + 1);  // weights and biases
  return static_cast<std::size_t>(floats) * sizeof(float);
}

void DepthwiseConv::run(const float* from, const float* w, const float* bias, const float* mask,
                        bool relu, float* to, void* workspace) const {
  const int64_t lanes = kernels_.lanes, taps = shape_.taps();
  auto* weights = static_cast<float*>(workspace);
  float* biases = weights + blocks_ * taps * lanes;
  packWeights(w, shape_.c, taps, lanes, weights);
  std::fill_n(biases, blocks_ * lanes, 0.0F);
  if (bias != nullptr) std::copy_n(bias, shape_.c, biases);

  const auto chunks = static_cast<int64_t>(boxes_.size());
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < groups() * blocks_ * chunks; ++i) {
    const int64_t group = i / chunks / blocks_, block = i / chunks % blocks_;
    const int64_t plane = group * imagesAtATime_ * blocks_ + block;
    const DepthwiseSums sums{.from = from + plane * fromPlane_,
                             .w = weights + block * taps * lanes,
                             .bias = biases + block * lanes,
                             .mask = mask == nullptr ? nullptr : mask + plane * toPlane_,
                             .relu = relu,
                             .to = to + plane * toPlane_};
    const auto& boxes = group + 1 < groups() ? boxes_ : lastBoxes_;
    for (const DepthwiseBox& box : boxes[i % chunks]) kernels_.sum(box, sums);
  }
}

DepthwiseWeightGrad::DepthwiseWeightGrad(const ConvShape& shape, const DepthwiseKernels& kernels)
    : shape_(shape), kernels_(kernels), blocks_(ceilDivide(shape.c, kernels.lanes)) {
  const ConvShape& s = shape_;
  const int64_t lanes = kernels.lanes;
  xPlane_ = s.h * s.w * lanes, gyPlane_ = s.outH * s.outW * lanes;
  const int64_t floats = xPlane_ + gyPlane_;
  imagesAtATime_ = std::clamp<int64_t>(kPieceFloats / floats, 1, s.n);
  const int64_t rowsAtATime = std::clamp<int64_t>(kPieceFloats * s.outH / floats, 1, s.outH);
  const BoxMaker maker = forwardBoxes(s, blocks_, lanes);
  boxes_ = boxesByRows(maker, s.outH, rowsAtATime, imagesAtATime_, false);
  const int64_t groups = ceilDivide(s.n, imagesAtATime_);
  const int64_t last = s.n - (groups - 1) * imagesAtATime_;
  lastBoxes_ = boxesByRows(maker, s.outH, rowsAtATime, last, false);
  pieces_ = groups * static_cast<int64_t>(boxes_.size());
  slices_ = std::min(ceilDivide(kUnits, blocks_), pieces_);
}

std::size_t DepthwiseWeightGrad::workspaceBytes() const {
  const int64_t floats = slices_ * blocks_ * shape_.taps() * kernels_.lanes;
  return static_cast<std::size_t>(floats) * sizeof(float);
}

// sums: [taps, lanes]
void DepthwiseWeightGrad::addPiece(const float* x, const float* gy, int64_t block, int64_t piece,
                                   float* sums) const {
  const auto chunks = static_cast<int64_t>(boxes_.size());
  const int64_t image = piece / chunks * imagesAtATime_, plane = image * blocks_ + block;
  const auto& boxes = image + imagesAtATime_ <= shape_.n ? boxes_ : lastBoxes_;
  for (const DepthwiseBox& box : boxes[piece % chunks]) {
    kernels_.addTaps(box, x + plane * xPlane_, gy + plane * gyPlane_, sums);
  }
}

void DepthwiseWeightGrad::run(const float* x, const float* gy, float* gw, void* workspace) const {
  const int64_t lanes = kernels_.lanes, taps = shape_.taps(), sumFloats = taps * lanes;
  auto* sums = static_cast<float*>(workspace);
#pragma omp parallel for schedule(dynamic)
  for (int64_t unit = 0; unit < slices_ * blocks_; ++unit) {
    const int64_t slice = unit / blocks_;
    float* sumsOfUnit = sums + unit * sumFloats;
    std::memset(sumsOfUnit, 0, sizeof(float) * static_cast<std::size_t>(sumFloats));
    const int64_t end = (slice + 1) * pieces_ / slices_;
    for (int64_t piece = slice * pieces_ / slices_; piece < end; ++piece) {
      addPiece(x, gy, unit % blocks_, piece, sumsOfUnit);
    }
  }
#pragma omp parallel for schedule(static) if (shape_.c * taps > 4096)
  for (int64_t block = 0; block < blocks_; ++block) {
    float* total = sums + block * sumFloats;
    for (int64_t slice = 1; slice < slices_; ++slice) {
      const float* part = sums + (slice * blocks_ + block) * sumFloats;
      for (int64_t i = 0; i < sumFloats; ++i) total[i] += part[i];
    }
    const int64_t first = block * lanes, count = std::min(lanes, shape_.c - first);
    for (int64_t lane = 0; lane < count; ++lane) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        gw[(first + lane) * taps + tap] = total[tap * lanes + lane];
      }
    }
  }
}

}  // namespace neuronode
