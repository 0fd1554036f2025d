// How the CUDA backend places tensors in memory. A layout of backend.h (an id) stands for a
// LayoutInfo, which says where each element of the plain (PyTorch's contiguous) order lies and in
// which type it is stored.
#pragma once

#include <cstdint>
#include <deque>

#include "graph/tensor.h"
#include "math/macros.h"

namespace neuronode::cuda {

// How one float is stored.
enum class Storage : uint8_t { F32, BF16 };

inline size_t storageSize(Storage storage) { return storage == Storage::F32 ? 4 : 2; }

enum class Order : uint8_t {
  // Row-major.
  Plain,
  // [N, C, H, W] as [N, H, W, C]; a filter [K, C/g, R, S] as [K, R, S, C/g].
  ChannelsLast,
  // The rows of a matrix [N, F], whose F features were [C, pixels], as [N, pixels, C]: what a
  // channels-last activation is after flattening, and the weight that is multiplied with it.
  Features,
  // The input of a convolution with few channels and stride (bh, bw), padding applied:
  // [N, hs, ws, C*bh*bw], where [n, i, j, (c, y, x)] = plain[n, c, i*bh + y - ph, j*bw + x - pw],
  // and 0 outside. The convolution over it has stride 1 and no padding.
  SpaceToDepth,
  // Its filter: [K, rs, ss, C*bh*bw], where [k, i, j, (c, y, x)] = plain[k, c, i*bh + y, j*bw + x],
  // and 0 beyond the kernel: taps that must stay zero.
  SpaceToDepthFilter,
};

struct LayoutInfo {
  Order order = Order::Plain;
  Storage storage = Storage::F32;
  int64_t channels = 0;              // Features: C
  int64_t blockH = 1, blockW = 1;    // SpaceToDepth*: bh, bw
  int64_t padH = 0, padW = 0;        // SpaceToDepth: ph, pw
  int64_t extentH = 0, extentW = 0;  // SpaceToDepth: hs, ws; of the filter: rs, ss
  int64_t rowPitch = 0;  // Plain matrices [N, F]: elements from row to row, >= F; 0 is F

  bool operator==(const LayoutInfo&) const = default;
  LayoutInfo as(Storage other) const {
    LayoutInfo copy = *this;
    copy.storage = other;
    return copy;
  }
};

// Where elements lie: plain data that kernels take by value. ChannelsLast and Features are [outer,
// channels, pixels] stored as [outer, pixels, channels]; where that moves nothing, the map is
// Plain. A Plain map without a pitch is one row.
//
// Divisions are of 64 bits, of which GPUs have none; nvcc divides in 32 bits where both fit.
struct IndexMap {
  Order order = Order::Plain;
  int64_t plainCount = 0;     // elements of the tensor
  int64_t physicalCount = 0;  // elements of the memory, padding included
  int64_t channels = 1, pixels = 1;
  int64_t row = 0, rowPitch = 0;  // Plain: elements of a row, and from row to row
  // Space-to-depth: the plain tensor is [outer, channels, height, width].
  int64_t height = 1, width = 1;
  int64_t blockH = 1, blockW = 1, padH = 0, padW = 0, extentH = 1, extentW = 1;

  bool operator==(const IndexMap&) const = default;
  // Whether elements lie in the plain order, one after the other.
  bool isDense() const { return order == Order::Plain && row == rowPitch; }

  // The plain index of what is stored at `physical`, or -1 for padding, which holds zero.
  NN_HD int64_t plainOf(int64_t physical) const {
    switch (order) {
      case Order::Plain: {
        const int64_t r = physical / rowPitch, column = physical - r * rowPitch;
        return column < row ? r * row + column : -1;
      }
      case Order::ChannelsLast:
      case Order::Features: {
        const int64_t c = physical % channels, rest = physical / channels;
        const int64_t pixel = rest % pixels, outer = rest / pixels;
        return (outer * channels + c) * pixels + pixel;
      }
      default: {
        const int64_t x = physical % blockW;
        int64_t rest = physical / blockW;
        const int64_t y = rest % blockH;
        rest /= blockH;
        const int64_t c = rest % channels;
        rest /= channels;
        const int64_t j = rest % extentW;
        rest /= extentW;
        const int64_t i = rest % extentH, outer = rest / extentH;
        const int64_t h = i * blockH + y - padH, w = j * blockW + x - padW;
        if (h < 0 || h >= height || w < 0 || w >= width) return -1;
        return ((outer * channels + c) * height + h) * width + w;
      }
    }
  }

  // Where the element of plain index `plain` is stored, or -1 where the layout leaves it out
  // (SpaceToDepth: what no window reaches).
  NN_HD int64_t physicalOf(int64_t plain) const {
    switch (order) {
      case Order::Plain: {
        const int64_t r = plain / row;
        return r * rowPitch + (plain - r * row);
      }
      case Order::ChannelsLast:
      case Order::Features: {
        const int64_t pixel = plain % pixels, rest = plain / pixels;
        const int64_t c = rest % channels, outer = rest / channels;
        return (outer * pixels + pixel) * channels + c;
      }
      default: {
        const int64_t w = plain % width + padW;
        int64_t rest = plain / width;
        const int64_t h = rest % height + padH;
        rest /= height;
        const int64_t c = rest % channels, outer = rest / channels;
        const int64_t i = h / blockH, j = w / blockW;
        if (i >= extentH || j >= extentW) return -1;
        return ((((outer * extentH + i) * extentW + j) * channels + c) * blockH + h % blockH) *
                   blockW +
               w % blockW;
      }
    }
  }
};

// Of a tensor of `shape` laid out by `info`.
IndexMap indexMap(const LayoutInfo& info, const Shape& shape);

// Layout ids and what they stand for. One table per device; ids are the same for equal infos.
// Layout::Plain is plain f32. Layout::Undecided is read as plain f32 too.
class LayoutTable {
 public:
  Layout id(const LayoutInfo& info);
  const LayoutInfo& info(Layout layout) const;

 private:
  static const LayoutInfo kPlain;
  std::deque<LayoutInfo> registered_;  // what info() returned stays where it is
};

}  // namespace neuronode::cuda
