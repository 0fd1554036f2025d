// Reorders between every two layouts, against the maps element by element.
#include <cmath>

#include "kernels/reorder.h"
#include "kernels_test.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::randomFloats;
using testing::rounded;
using testing::sameFloats;
using testing::storageName;

struct Group {
  Shape shape;
  std::vector<LayoutInfo> layouts;
};

std::vector<Group> groups() {
  const LayoutInfo plain{}, last{.order = Order::ChannelsLast};
  const LayoutInfo blocks{.order = Order::SpaceToDepth,
                          .blockH = 2,
                          .blockW = 2,
                          .padH = 1,
                          .padW = 1,
                          .extentH = 5,
                          .extentW = 4};
  const LayoutInfo filter{
      .order = Order::SpaceToDepthFilter, .blockH = 4, .blockW = 4, .extentH = 2, .extentW = 2};
  return {
      {{3, 5, 7, 6}, {plain, last, blocks}},
      {{2, 40, 9, 8}, {plain, last}},  // several tiles each way
      {{1, 64, 1, 2}, {plain, last}},
      {{4, 3, 5, 7}, {plain, last, filter}},
      {{6, 84}, {plain, {.order = Order::Features, .channels = 12}, {.rowPitch = 88}}},
      {{5}, {plain, last}},
  };
}

class CudaReorder : public KernelTest {
 protected:
  // What memory of layout `to` holds after values in layout `from` have gone there.
  template <class T>
  static std::vector<T> expected(const std::vector<T>& values, const IndexMap& from,
                                 const IndexMap& to) {
    std::vector<T> want(static_cast<size_t>(to.physicalCount), T{});
    for (int64_t i = 0; i < to.physicalCount; ++i) {
      const int64_t plain = to.plainOf(i);
      const int64_t source = plain < 0 ? -1 : from.physicalOf(plain);
      if (source >= 0) want[static_cast<size_t>(i)] = values[static_cast<size_t>(source)];
    }
    return want;
  }
};

TEST_F(CudaReorder, FloatsBetweenAllLayoutsAndStorages) {
  for (const Group& group : groups()) {
    for (const LayoutInfo& source : group.layouts) {
      for (const LayoutInfo& target : group.layouts) {
        for (const Storage in : kStorages) {
          for (const Storage out : kStorages) {
            for (const int64_t shift : {0, 1}) {
              const IndexMap from = indexMap(source.as(in), group.shape);
              const IndexMap to = indexMap(target.as(out), group.shape);
              SCOPED_TRACE(::testing::Message()
                           << shapeString(group.shape) << " order "
                           << static_cast<int>(source.order) << " to "
                           << static_cast<int>(target.order) << ' ' << storageName(in) << " to "
                           << storageName(out) << " shift " << shift);
              auto values = rounded(randomFloats(from.physicalCount, -1, 1, 1), in);
              for (int64_t i = 0; i < from.physicalCount; ++i) {
                if (from.plainOf(i) < 0) values[static_cast<size_t>(i)] = NAN;
              }
              const FloatArray x(values, in, shift), y(to.physicalCount, out, shift);
              reorderFloats(stream(), x.floats(), from, y.floats(), to);
              EXPECT_TRUE(sameFloats(read(y), rounded(expected(values, from, to), out)));
            }
          }
        }
      }
    }
  }
}

TEST_F(CudaReorder, IndicesOfPooling) {
  for (const Group& group : groups()) {
    for (const LayoutInfo& source : group.layouts) {
      for (const LayoutInfo& target : group.layouts) {
        const IndexMap from = indexMap(source, group.shape), to = indexMap(target, group.shape);
        std::vector<uint8_t> bytes;
        std::vector<int32_t> words;
        for (int64_t i = 0; i < from.physicalCount; ++i) {
          bytes.push_back(static_cast<uint8_t>(i * 37));
          // Bits that are a signalling NaN as a float's among them.
          words.push_back(static_cast<int32_t>(0x7f800001 + i * 0x01010101));
        }
        const DeviceArray<uint8_t> x(bytes), y(to.physicalCount);
        reorderBytes(stream(), x.at(), from, y.at(), to);
        EXPECT_EQ(read(y), expected(bytes, from, to));
        const DeviceArray<int32_t> xWords(words), yWords(to.physicalCount);
        reorderWords(stream(), xWords.at(), from, yWords.at(), to);
        EXPECT_EQ(read(yWords), expected(words, from, to));
      }
    }
  }
}

TEST_F(CudaReorder, ZeroPaddingTouchesNothingElse) {
  for (const Group& group : groups()) {
    for (const LayoutInfo& info : group.layouts) {
      for (const Storage storage : kStorages) {
        const IndexMap map = indexMap(info.as(storage), group.shape);
        auto values = rounded(randomFloats(map.physicalCount, 1, 2, 1), storage);
        const FloatArray x(values, storage);
        zeroPadding(stream(), x.floats(), map);
        for (int64_t i = 0; i < map.physicalCount; ++i) {
          if (map.plainOf(i) < 0) values[static_cast<size_t>(i)] = 0.0f;
        }
        EXPECT_TRUE(sameFloats(read(x), values)) << shapeString(group.shape);
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
