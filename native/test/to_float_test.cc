// Bytes to floats, bit by bit.
#include "cpu/conversion/to_float.h"

#include <cmath>

#include "kernel_test.h"

namespace neuronode {
namespace {

using testing::Guarded;
using testing::IsaTest;
using testing::sameForThreads;

class ToFloat : public IsaTest {
 protected:
  const ConversionKernels& kernels_ = conversionKernels(GetParam());
};
INSTANTIATE_TEST_SUITE_P(, ToFloat, ::testing::ValuesIn(testing::supportedIsas()),
                         testing::isaTestName);

TEST_P(ToFloat, BytesToFloatRoundsEachStepAsTorchvision) {
  const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
  std::vector<float> table(3 * 256);
  buildByteTable(mean, std, 3, table.data());
  const int64_t n = 5, c = 3, hw = 5003;
  std::vector<uint8_t> bytes(n * c * hw);
  std::mt19937 generator(7);
  for (auto& b : bytes) b = static_cast<uint8_t>(generator());
  const auto y = sameForThreads([&] {
    Guarded<uint8_t> in(bytes);
    Guarded<float> out(n * c * hw);
    kernels_.bytesToFloat(in.data(), out.data(), n, c, hw, table.data());
    return out.values();
  });
  for (int64_t i = 0; i < n * c * hw; ++i) {
    const int64_t k = i / hw % c;
    volatile float v = static_cast<float>(bytes[i]) / 255.0f;  // volatile: no wider intermediate
    v = v - mean[k];
    v = v / std[k];
    ASSERT_EQ(y[i], v) << i;
  }
}

}  // namespace
}  // namespace neuronode
