// Dropout against the CPU's masks, in every layout and storage.
#include <cmath>

#include "cpu/dropout/dropout.h"
#include "dropout/dropout.h"
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

using CudaDropout = KernelTest;

TEST_F(CudaDropout, DropoutMasksAreTheCpus) {
  struct Case {
    LayoutInfo info;
    Shape shape;
  };
  const Case cases[] = {
      {{}, {1}},
      {{}, {4099}},
      {{}, {7, 64}},
      {{.rowPitch = 16}, {9, 10}},
      {{.order = Order::ChannelsLast}, {3, 5, 7, 3}},
      {{.order = Order::Features, .channels = 6}, {4, 54}},
  };
  for (const double p : {0.0, 0.25, 0.5, 1.0}) {
    for (const Case& k : cases) {
      for (const Storage storage : kStorages) {
        for (const int64_t shift : {0, 1}) {
          const IndexMap map = indexMap(k.info.as(storage), k.shape);
          SCOPED_TRACE(::testing::Message() << shapeString(k.shape) << " p " << p << ' '
                                            << storageName(storage) << " shift " << shift);
          const auto plain = rounded(randomFloats(map.plainCount, -1, 1, 1), storage);
          std::vector<float> dropped(plain.size());
          const DropoutMask mask{.p = p, .seed = 0x123456789abcdefull, .step = 77, .stream = 5};
          dropoutKernels(Isa::Baseline)
              .apply(plain.data(), dropped.data(), {1, map.plainCount, 1, 1}, mask);
          std::vector<float> laid(static_cast<size_t>(map.physicalCount), NAN), want(laid.size());
          for (int64_t i = 0; i < map.physicalCount; ++i) {
            const int64_t at = map.plainOf(i);
            if (at >= 0) laid[static_cast<size_t>(i)] = plain[static_cast<size_t>(at)];
            want[static_cast<size_t>(i)] = at < 0 ? 0.0f : dropped[static_cast<size_t>(at)];
          }
          const FloatArray x(laid, storage, shift), y(map.physicalCount, storage, shift);
          const DeviceArray<int32_t> step(std::vector<int32_t>{77});
          dropout(stream(), x.floats(), y.floats(), map, math::dropoutScalars(p),
                  {0x89abcdef, 0x1234567, 5}, step.at());
          EXPECT_TRUE(sameFloats(read(y), rounded(want, storage)));
        }
      }
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda
