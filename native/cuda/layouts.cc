#include "layouts.h"

#include <algorithm>

#include "error.h"

namespace neuronode::cuda {

namespace {

int64_t product(const Shape& shape, size_t from) {
  int64_t count = 1;
  for (size_t i = from; i < shape.size(); ++i) count *= shape[i];
  return count;
}

[[noreturn]] void refuse(const char* order, const Shape& shape) {
  throw Error(errc::kShape, std::string("A ") + order + " layout does not fit the shape " +
                                shapeString(shape) + ".");
}

// [outer, channels, pixels] stored as [outer, pixels, channels]: where that moves nothing, Plain,
// which is faster to work out.
IndexMap transposed(IndexMap map, Order order, int64_t channels, int64_t pixels) {
  if (channels <= 1 || pixels <= 1) return map;
  map.order = order;
  map.channels = channels;
  map.pixels = pixels;
  return map;
}

IndexMap spaceToDepth(IndexMap map, const LayoutInfo& info, const Shape& shape) {
  map.order = info.order;
  map.channels = shape[1];
  map.height = shape[2];
  map.width = shape[3];
  map.blockH = info.blockH;
  map.blockW = info.blockW;
  map.padH = info.padH;
  map.padW = info.padW;
  map.extentH = info.extentH;
  map.extentW = info.extentW;
  map.physicalCount = shape[0] * info.extentH * info.extentW * shape[1] * info.blockH * info.blockW;
  return map;
}

}  // namespace

IndexMap indexMap(const LayoutInfo& info, const Shape& shape) {
  IndexMap map;
  map.plainCount = elementCount(shape);
  map.physicalCount = map.plainCount;
  map.row = map.rowPitch = std::max<int64_t>(map.plainCount, 1);
  switch (info.order) {
    case Order::Plain:
      if (info.rowPitch != 0) {
        if (shape.size() != 2 || info.rowPitch < shape[1]) refuse("pitched", shape);
        if (info.rowPitch == shape[1]) return map;
        map.row = std::max<int64_t>(shape[1], 1);
        map.rowPitch = info.rowPitch;
        map.physicalCount = shape[0] * info.rowPitch;
      }
      return map;
    case Order::ChannelsLast:
      if (shape.size() < 2) return map;
      return transposed(map, info.order, shape[1], product(shape, 2));
    case Order::Features:
      if (shape.size() != 2 || info.channels < 1 || shape[1] % info.channels != 0) {
        refuse("features", shape);
      }
      return transposed(map, info.order, info.channels, shape[1] / info.channels);
    default:
      if (shape.size() != 4 || info.blockH < 1 || info.blockW < 1 || info.extentH < 1 ||
          info.extentW < 1) {
        refuse("space-to-depth", shape);
      }
      return spaceToDepth(map, info, shape);
  }
}

const LayoutInfo LayoutTable::kPlain{};

Layout LayoutTable::id(const LayoutInfo& info) {
  if (info == kPlain) return Layout::Plain;
  const auto found = std::find(registered_.begin(), registered_.end(), info);
  const auto number = static_cast<int>(found - registered_.begin());
  if (found == registered_.end()) registered_.push_back(info);
  return static_cast<Layout>(kFirstRegisteredLayout + number);
}

const LayoutInfo& LayoutTable::info(Layout layout) const {
  if (layout == Layout::Plain || layout == Layout::Undecided) return kPlain;
  const int64_t number = static_cast<int64_t>(layout) - kFirstRegisteredLayout;
  if (number < 0 || number >= static_cast<int64_t>(registered_.size())) {
    throw Error(errc::kNative,
                "This device has no layout " + std::to_string(static_cast<int>(layout)) + ".");
  }
  return registered_[static_cast<size_t>(number)];
}

}  // namespace neuronode::cuda
