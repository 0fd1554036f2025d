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
    if (isShort()) return plainAs<uint32_t>(static_cast<uint32_t>(physical));
    return plainAs<uint64_t>(static_cast<uint64_t>(physical));
  }

  // Where the element of plain index `plain` is stored, or -1 where the layout leaves it out
  // (SpaceToDepth: what no window reaches).
  NN_HD int64_t physicalOf(int64_t plain) const {
    if (isShort()) return physicalAs<uint32_t>(static_cast<uint32_t>(plain));
    return physicalAs<uint64_t>(static_cast<uint64_t>(plain));
  }

 private:
  // Whether 32 bits hold every index: GPUs divide 64-bit numbers slowly.
  NN_HD bool isShort() const { return (plainCount | physicalCount | rowPitch) >> 31 == 0; }

  template <class Index>
  NN_HD int64_t plainAs(Index physical) const {
    const auto as = [](int64_t value) { return static_cast<Index>(value); };
    switch (order) {
      case Order::Plain: {
        const Index r = physical / as(rowPitch), column = physical - r * as(rowPitch);
        return column < as(row) ? static_cast<int64_t>(r * as(row) + column) : -1;
      }
      case Order::ChannelsLast:
      case Order::Features: {
        const Index rest = physical / as(channels), c = physical - rest * as(channels);
        const Index outer = rest / as(pixels), pixel = rest - outer * as(pixels);
        return static_cast<int64_t>((outer * as(channels) + c) * as(pixels) + pixel);
      }
      default: {
        Index rest = physical / as(blockW);
        const Index x = physical - rest * as(blockW);
        Index next = rest / as(blockH);
        const Index y = rest - next * as(blockH);
        rest = next / as(channels);
        const Index c = next - rest * as(channels);
        next = rest / as(extentW);
        const Index j = rest - next * as(extentW);
        const Index outer = next / as(extentH), i = next - outer * as(extentH);
        const int64_t h = static_cast<int64_t>(i * as(blockH) + y) - padH;
        const int64_t w = static_cast<int64_t>(j * as(blockW) + x) - padW;
        if (h < 0 || h >= height || w < 0 || w >= width) return -1;
        return ((static_cast<int64_t>(outer) * channels + c) * height + h) * width + w;
      }
    }
  }

  template <class Index>
  NN_HD int64_t physicalAs(Index plain) const {
    const auto as = [](int64_t value) { return static_cast<Index>(value); };
    switch (order) {
      case Order::Plain: {
        const Index r = plain / as(row);
        return static_cast<int64_t>(r * as(rowPitch) + (plain - r * as(row)));
      }
      case Order::ChannelsLast:
      case Order::Features: {
        const Index rest = plain / as(pixels), pixel = plain - rest * as(pixels);
        const Index outer = rest / as(channels), c = rest - outer * as(channels);
        return static_cast<int64_t>((outer * as(pixels) + pixel) * as(channels) + c);
      }
      default: {
        Index rest = plain / as(width);
        const Index w = plain - rest * as(width) + as(padW);
        Index next = rest / as(height);
        const Index h = rest - next * as(height) + as(padH);
        const Index outer = next / as(channels), c = next - outer * as(channels);
        const Index i = h / as(blockH), j = w / as(blockW);
        if (i >= as(extentH) || j >= as(extentW)) return -1;
        const Index place = ((outer * as(extentH) + i) * as(extentW) + j) * as(channels) + c;
        return static_cast<int64_t>((place * as(blockH) + (h - i * as(blockH))) * as(blockW) +
                                    (w - j * as(blockW)));
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
