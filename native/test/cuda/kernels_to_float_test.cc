// Bytes to floats against the CPU's, bit by bit.
#include <cmath>

#include "conversion/to_float.h"
#include "cpu/conversion/to_float.h"
#include "kernels_test.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::kStorages;
using testing::rounded;
using testing::sameResults;
using testing::storageName;

using CudaToFloat = KernelTest;

TEST_F(CudaToFloat, BytesToFloatRoundAsTheCpu) {
  struct Case {
    LayoutInfo info;
    Shape shape;
  };
  const auto blocks = [](int64_t b, int64_t p, int64_t hs, int64_t ws) {
    return LayoutInfo{.order = Order::SpaceToDepth,
                      .blockH = b,
                      .blockW = b,
                      .padH = p,
                      .padW = p,
                      .extentH = hs,
                      .extentW = ws};
  };
  const Case cases[] = {
      {{}, {2, 1, 5, 7}},
      {{}, {2, 3, 4, 6}},
      {{}, {1, 3, 3, 3}},
      {{.order = Order::ChannelsLast}, {2, 3, 5, 6}},
      {{.order = Order::ChannelsLast}, {2, 1, 8, 8}},
      {blocks(4, 0, 6, 6), {2, 1, 24, 24}},  // words
      {blocks(4, 0, 5, 5), {2, 1, 24, 24}},  // the last pixels left out
      {blocks(4, 4, 8, 8), {1, 2, 24, 24}},  // words, padded
      {blocks(4, 2, 7, 7), {2, 3, 24, 24}},  // padding that cuts through words
      {blocks(4, 0, 6, 6), {1, 1, 23, 23}},  // an odd width
      {blocks(2, 1, 8, 8), {1, 3, 13, 13}},
      {blocks(3, 0, 3, 3), {1, 1, 9, 9}},  // 81 elements: a tail
  };
  for (const Case& k : cases) {
    for (const Storage storage : kStorages) {
      for (const int64_t shift : {0, 1}) {
        SCOPED_TRACE(::testing::Message()
                     << shapeString(k.shape) << ' ' << storageName(storage) << " shift " << shift);
        const IndexMap map = indexMap(k.info.as(storage), k.shape);
        const int64_t c = k.shape[1], pixels = k.shape[2] * k.shape[3];
        ToFloatScalars scalars{};
        scalars.channels = static_cast<int>(c);
        for (int i = 0; i < scalars.channels; ++i) {
          scalars.mean[i] = 0.2f + 0.1f * static_cast<float>(i);
          scalars.std[i] = 0.3f + 0.05f * static_cast<float>(i);
        }
        std::vector<float> table(static_cast<size_t>(c) * 256);
        buildByteTable(scalars.mean, scalars.std, c, table.data());
        std::vector<uint8_t> bytes(static_cast<size_t>(map.plainCount));
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 89 + 7);
        std::vector<float> plain(bytes.size()), want(static_cast<size_t>(map.physicalCount));
        conversionKernels(Isa::Baseline)
            .bytesToFloat(bytes.data(), plain.data(), k.shape[0], c, pixels, table.data());
        for (size_t i = 0; i < want.size(); ++i) {
          const int64_t at = map.plainOf(static_cast<int64_t>(i));
          want[i] = at < 0 ? 0.0f : plain[static_cast<size_t>(at)];
        }
        const DeviceArray<uint8_t> x(bytes, shift);
        const FloatArray y(map.physicalCount, storage, shift);
        toFloat(stream(), x.at(), y.floats(), map, pixels, scalars);
        EXPECT_TRUE(sameResults(read(y), rounded(want, storage), storage));
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
