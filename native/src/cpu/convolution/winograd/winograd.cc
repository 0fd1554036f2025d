// Plans and runs Winograd convolutions: blocks of tiles go through three stages (transform, 36
// products, transform back), within the caller's workspace.
//
// Every value is computed in an order that the shape alone decides: stages are cut into units by
// shape, never by the number of threads, and no sum is split between units.
#include "cpu/convolution/winograd/winograd.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "cpu/convolution/winograd/pipeline.h"

namespace neuronode {
namespace {

constexpr int kPositions = 36;
constexpr int kOnesPosition = 7;      // point (1, 1), where a transformed gradient tile is its sum
constexpr std::ptrdiff_t kLine = 16;  // floats in a cache line
constexpr std::ptrdiff_t kBlockFloats = 1 << 19;  // transformed tiles of one block: 2 MiB
constexpr int kMinTiles = 96;     // of a block, so that a filter is read for enough of them
constexpr int kMaxInner = 256;    // of one product, so that its panel stays in the L1 cache
constexpr int kTileChunk = 48;    // tiles of one transform unit
constexpr int kPanelChunk = 8;    // panels of one product unit
constexpr int kFilterChunk = 32;  // reduced channels of one filter unit

constexpr int ceilDivide(std::int64_t a, std::int64_t b) {
  return static_cast<int>((a + b - 1) / b);
}

// Tiles [firstTile, firstTile + tiles) and their arrays.
struct Block {
  std::int64_t firstTile;
  int tiles;
  float* values;
  float* panels;  // products, or gathered output gradients
};

// A stride of an odd number of cache lines: streams that far apart use all sets of a cache.
std::ptrdiff_t oddLines(std::ptrdiff_t floats) {
  return ((floats + kLine - 1) / kLine | 1) * kLine;
}

}  // namespace

// Sizes and strides (in floats) of one pass; offsets of its arrays in the workspace.
struct WinogradConv::Plan {
  // A block is at most `tiles` of `totalTiles` tiles; a value group is `groups` x `pitch` x lanes.
  std::int64_t totalTiles;
  int tiles;
  int blocks;
  int valueGroups;  // channel groups of the gathered input
  int panels;
  std::ptrdiff_t valueGroupStride;
  std::ptrdiff_t valueStride;   // between positions
  std::ptrdiff_t filterStride;  // between positions of the filters or their gradients
  std::ptrdiff_t panelStride;   // between positions of the products or gathered output gradients
  std::ptrdiff_t bufferStride;  // between the values and panels of consecutive blocks
  std::ptrdiff_t filters;
  std::ptrdiff_t bias;
  std::ptrdiff_t buffers;
  std::ptrdiff_t floats;

  // The progress of the pipeline's steps comes first in the workspace.
  WinogradPipeline::Progress* progress(void* workspace) const {
    return static_cast<WinogradPipeline::Progress*>(workspace);
  }

  // Floats of one panel of a block at one position.
  std::ptrdiff_t panelRows(const WinogradKernels& kernels) const {
    return static_cast<std::ptrdiff_t>(tiles) * kernels.panel;
  }

  Block block(int index, void* workspace) const {
    float* values = static_cast<float*>(workspace) + buffers +
                    index % WinogradPipeline::kBuffers * bufferStride;
    const std::int64_t first = static_cast<std::int64_t>(index) * tiles;
    return {first, static_cast<int>(std::min<std::int64_t>(tiles, totalTiles - first)), values,
            values + kPositions * valueStride};
  }
};

bool WinogradConv::supported(const WinogradShape& s) {
  return (s.kernel == 3 || s.kernel == 5) && s.n > 0 && s.c > 0 && s.k > 0 && s.h > 0 && s.w > 0 &&
         s.padH >= 0 && s.padW >= 0 && s.outputH() > 0 && s.outputW() > 0;
}

bool WinogradConv::profitable(const WinogradShape& s) {
  if (!supported(s)) return false;
  const std::int64_t step = 7 - s.kernel;
  const std::int64_t tiles =
      std::int64_t{s.n} * ceilDivide(s.outputH(), step) * ceilDivide(s.outputW(), step);
  // Where oneDNN 2.6 broke even on Zen 3, seen as the sum of the three passes.
  return s.c >= 16 && s.k >= 16 && tiles >= 32;
}

const WinogradKernels& winogradKernels(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx2) return avx2::kWinogradKernels;
  if (isa == Isa::Avx512) return avx512::kWinogradKernels;
#endif
  if (isa != Isa::Baseline) throw std::invalid_argument("Winograd: no kernels for this processor");
  return baseline::kWinogradKernels;
}

WinogradConv::WinogradConv(const WinogradShape& shape, Isa isa)
    : WinogradConv(shape, winogradKernels(isa)) {}

WinogradConv::WinogradConv(const WinogradShape& shape, const WinogradKernels& kernels)
    : shape_(shape), kernels_(&kernels) {
  if (!supported(shape)) {
    throw std::invalid_argument("Winograd: unsupported convolution: kernel " +
                                std::to_string(shape.kernel));
  }
}

// The grids of the forward pass and of the gradient with respect to weights: tiles of 6 x 6 inputs
// that overlap, tiles of 4 x 4 or 2 x 2 outputs that do not.
WinogradGrid WinogradConv::inputGrid() const {
  WinogradGrid grid = outputGrid();
  grid.groups = ceilDivide(shape_.c, kernels_->lanes);
  grid.height = shape_.h;
  grid.width = shape_.w;
  grid.originH = -shape_.padH;
  grid.originW = -shape_.padW;
  return grid;
}

WinogradGrid WinogradConv::outputGrid() const {
  const int step = 7 - shape_.kernel;
  return {.groups = ceilDivide(shape_.k, kernels_->lanes),
          .height = shape_.outputH(),
          .width = shape_.outputW(),
          .originH = 0,
          .originW = 0,
          .step = step,
          .tilesH = ceilDivide(shape_.outputH(), step),
          .tilesW = ceilDivide(shape_.outputW(), step)};
}

WinogradConv::Plan WinogradConv::plan(WinogradPass pass) const {
  const int lanes = kernels_->lanes, step = 7 - shape_.kernel;
  const bool swapped = pass == WinogradPass::InputGradient;
  const int height = swapped ? shape_.h : shape_.outputH();
  const int width = swapped ? shape_.w : shape_.outputW();
  Plan p{};
  p.totalTiles =
      static_cast<std::int64_t>(shape_.n) * ceilDivide(height, step) * ceilDivide(width, step);
  p.valueGroups = ceilDivide(swapped ? shape_.k : shape_.c, lanes);
  p.panels = ceilDivide(swapped ? shape_.c : shape_.k, kernels_->panel);

  const std::ptrdiff_t perTile =
      kPositions * (static_cast<std::ptrdiff_t>(p.valueGroups) * lanes +
                    static_cast<std::ptrdiff_t>(p.panels) * kernels_->panel);
  std::int64_t most = std::max<std::int64_t>(kBlockFloats / perTile, kMinTiles);
  if (pass == WinogradPass::WeightGradient) most = std::min<std::int64_t>(most, kMaxInner);
  p.blocks = ceilDivide(p.totalTiles, most);
  p.tiles = ceilDivide(ceilDivide(p.totalTiles, p.blocks), kernels_->rows) * kernels_->rows;
  p.blocks = ceilDivide(p.totalTiles, p.tiles);

  p.valueGroupStride = oddLines(static_cast<std::ptrdiff_t>(p.tiles) * lanes);
  p.valueStride = oddLines(p.valueGroups * p.valueGroupStride);
  p.filterStride =
      oddLines(static_cast<std::ptrdiff_t>(p.panels) * p.valueGroups * lanes * kernels_->panel);
  p.panelStride = oddLines(static_cast<std::ptrdiff_t>(p.panels) * p.tiles * kernels_->panel);
  p.bufferStride = kPositions * (p.valueStride + p.panelStride);
  p.filters = WinogradPipeline::steps(p.blocks) *
              static_cast<std::ptrdiff_t>(sizeof(WinogradPipeline::Progress) / sizeof(float));
  p.bias = p.filters + kPositions * p.filterStride;
  p.buffers = p.bias + oddLines(static_cast<std::ptrdiff_t>(p.panels) * kernels_->panel);
  p.floats = p.buffers + std::min(p.blocks, WinogradPipeline::kBuffers) * p.bufferStride;
  return p;
}

std::size_t WinogradConv::workspaceBytes(WinogradPass pass) const {
  return static_cast<std::size_t>(plan(pass).floats) * sizeof(float);
}

void WinogradConv::forward(const float* x, const float* w, const float* bias, float* y, bool relu,
                           void* workspace) const {
  product(WinogradPass::Forward, inputGrid(), outputGrid(), x, w, bias,
          relu ? WinogradEpilogue::Relu : WinogradEpilogue::None, nullptr, y, workspace);
}

void WinogradConv::inputGradient(const float* gy, const float* w, float* gx, const float* reluMask,
                                 void* workspace) const {
  // The forward pass over gy, with padding kernel - 1 - pad (less than zero crops).
  WinogradGrid to = inputGrid();
  to.originH = to.originW = 0;
  to.tilesH = ceilDivide(shape_.h, to.step);
  to.tilesW = ceilDivide(shape_.w, to.step);
  WinogradGrid from = outputGrid();
  from.originH = shape_.padH - (shape_.kernel - 1);
  from.originW = shape_.padW - (shape_.kernel - 1);
  from.tilesH = to.tilesH;
  from.tilesW = to.tilesW;
  product(WinogradPass::InputGradient, from, to, gy, w, nullptr,
          reluMask != nullptr ? WinogradEpilogue::Mask : WinogradEpilogue::None, reluMask, gx,
          workspace);
}

void WinogradConv::product(WinogradPass pass, const WinogradGrid& from, const WinogradGrid& to,
                           const float* x, const float* w, const float* bias,
                           WinogradEpilogue epilogue, const float* mask, float* y,
                           void* workspace) const {
  const Plan p = plan(pass);
  const WinogradKernels& kernel = *kernels_;
  const int lanes = kernel.lanes, panel = kernel.panel;
  float* const filters = static_cast<float*>(workspace) + p.filters;
  float* const biases = static_cast<float*>(workspace) + p.bias;

  const int taps = shape_.kernel * shape_.kernel;
  const std::ptrdiff_t perOutput = static_cast<std::ptrdiff_t>(shape_.c) * taps;
  const bool swapped = pass == WinogradPass::InputGradient;
  const WinogradFilter filter{.taps = shape_.kernel,
                              .turned = swapped,
                              .outputs = swapped ? shape_.c : shape_.k,
                              .reductions = swapped ? shape_.k : shape_.c,
                              .outputStride = swapped ? taps : perOutput,
                              .reductionStride = swapped ? perOutput : taps};
  const int inner = p.valueGroups * lanes;  // of the products, padding lanes included
  std::fill(biases, biases + static_cast<std::ptrdiff_t>(p.panels) * panel, 0.0f);
  if (bias != nullptr) std::copy(bias, bias + filter.outputs, biases);

  const int filterChunks = ceilDivide(inner, kFilterChunk);
  const int tileChunks = ceilDivide(p.tiles, kTileChunk);
  const int panelChunks = ceilDivide(p.panels, kPanelChunk);
  const int innerBlocks = ceilDivide(inner, kMaxInner);
  const int innerGroups = ceilDivide(p.valueGroups, innerBlocks);

  const auto transformFilters = [&](int unit) {
    const int n = unit / filterChunks, first = unit % filterChunks * kFilterChunk;
    kernel.transformFilter(w, filter, n, first, std::min(kFilterChunk, inner - first),
                           filters + (static_cast<std::ptrdiff_t>(n) * inner + first) * panel,
                           p.filterStride);
  };
  const auto gather = [&](const Block& block, int unit) {
    const int group = unit / tileChunks, first = unit % tileChunks * kTileChunk;
    kernel.gatherInput(x, from, group, block.firstTile + first,
                       std::min(kTileChunk, block.tiles - first),
                       block.values + group * p.valueGroupStride + first * lanes, p.valueStride);
  };
  const auto filterPanel = [&](int position, int n, int group) {
    return filters + position * p.filterStride +
           (static_cast<std::ptrdiff_t>(n) * inner + group * lanes) * panel;
  };
  const auto multiply = [&](const Block& block, int unit) {
    const int position = unit / panelChunks, first = unit % panelChunks * kPanelChunk;
    const int last = std::min(first + kPanelChunk, p.panels);
    for (int group = 0; group < p.valueGroups; group += innerGroups) {
      const int nextGroup = group + innerGroups;
      for (int n = first; n < last; ++n) {
        const float* next = nullptr;
        if (n + 1 < last) {
          next = filterPanel(position, n + 1, group);
        } else if (nextGroup < p.valueGroups) {
          next = filterPanel(position, first, nextGroup);
        }
        kernel.multiply(block.values + position * p.valueStride + group * p.valueGroupStride,
                        p.valueGroupStride, std::min(innerGroups, p.valueGroups - group),
                        filterPanel(position, n, group), next,
                        block.panels + position * p.panelStride + n * p.panelRows(kernel),
                        block.tiles, group > 0);
      }
    }
  };
  const auto scatter = [&](const Block& block, int unit) {
    const int n = unit / tileChunks, first = unit % tileChunks * kTileChunk;
    kernel.scatterOutput(block.panels + n * p.panelRows(kernel) + first * panel, p.panelStride, to,
                         n, block.firstTile + first, std::min(kTileChunk, block.tiles - first),
                         biases, epilogue, mask, y);
  };

  const int units[] = {p.panels * filterChunks, p.valueGroups * tileChunks,
                       kPositions * panelChunks, p.panels * tileChunks, 0};
  WinogradPipeline(p.blocks, units, false, p.progress(workspace))
      .run([&](WinogradPipeline::Stage stage, int index, int unit) {
        const Block block = p.block(index, workspace);
        if (stage == WinogradPipeline::Filters) transformFilters(unit);
        if (stage == WinogradPipeline::Gather) gather(block, unit);
        if (stage == WinogradPipeline::Multiply) multiply(block, unit);
        if (stage == WinogradPipeline::Scatter) scatter(block, unit);
      });
}

void WinogradConv::weightGradient(const float* x, const float* gy, float* gw, float* gb,
                                  void* workspace) const {
  const Plan p = plan(WinogradPass::WeightGradient);
  const WinogradKernels& kernel = *kernels_;
  const WinogradGrid from = inputGrid(), to = outputGrid();
  const int lanes = kernel.lanes, panel = kernel.panel;
  float* const gradients = static_cast<float*>(workspace) + p.filters;
  float* const sums = static_cast<float*>(workspace) + p.bias;

  const int taps = shape_.kernel * shape_.kernel;
  const WinogradFilter filter{.taps = shape_.kernel,
                              .turned = false,
                              .outputs = shape_.k,
                              .reductions = shape_.c,
                              .outputStride = static_cast<std::ptrdiff_t>(shape_.c) * taps,
                              .reductionStride = taps};
  const int inner = p.valueGroups * lanes;
  const int filterChunks = ceilDivide(shape_.c, kFilterChunk);
  const int tileChunks = ceilDivide(p.tiles, kTileChunk);
  const int panelChunks = ceilDivide(p.panels, kPanelChunk);
  const int valueUnits = p.valueGroups * tileChunks;

  const auto gather = [&](const Block& block, int unit) {
    const int index = unit < valueUnits ? unit : unit - valueUnits;
    const int part = index / tileChunks, first = index % tileChunks * kTileChunk;
    const int count = std::min(kTileChunk, block.tiles - first);
    if (unit < valueUnits) {
      kernel.gatherInput(x, from, part, block.firstTile + first, count,
                         block.values + part * p.valueGroupStride + first * lanes, p.valueStride);
    } else {
      kernel.gatherOutputGradient(gy, to, part, block.firstTile + first, count,
                                  block.panels + part * p.panelRows(kernel) + first * panel,
                                  p.panelStride);
    }
  };
  const auto multiply = [&](const Block& block, int unit) {
    const int position = unit / panelChunks, first = unit % panelChunks * kPanelChunk;
    const int last = std::min(first + kPanelChunk, p.panels);
    for (int n = first; n < last; ++n) {
      const float* outputs = block.panels + position * p.panelStride + n * p.panelRows(kernel);
      kernel.multiplyTransposed(
          block.values + position * p.valueStride, p.valueGroupStride, shape_.c, outputs,
          n + 1 < last ? outputs + p.panelRows(kernel) : nullptr, block.tiles,
          gradients + position * p.filterStride + static_cast<std::ptrdiff_t>(n) * inner * panel,
          block.firstTile > 0);
      if (position == kOnesPosition && gb != nullptr) {
        kernel.sumRows(outputs, block.tiles, sums + n * panel, block.firstTile > 0);
      }
    }
  };
  const auto collect = [&](int unit) {
    const int n = unit / filterChunks, first = unit % filterChunks * kFilterChunk;
    kernel.collectFilterGradient(
        gradients + (static_cast<std::ptrdiff_t>(n) * inner + first) * panel, p.filterStride,
        filter, n, first, std::min(kFilterChunk, shape_.c - first), gw);
  };

  const int units[] = {0, valueUnits + p.panels * tileChunks, kPositions * panelChunks, 0,
                       p.panels * filterChunks};
  WinogradPipeline(p.blocks, units, true, p.progress(workspace))
      .run([&](WinogradPipeline::Stage stage, int index, int unit) {
        const Block block = p.block(index, workspace);
        if (stage == WinogradPipeline::Gather) gather(block, unit);
        if (stage == WinogradPipeline::Multiply) multiply(block, unit);
        if (stage == WinogradPipeline::Collect) collect(unit);
      });
  if (gb != nullptr) std::copy(sums, sums + shape_.k, gb);
}

}  // namespace neuronode
