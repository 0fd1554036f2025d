// Optimizer steps of many tensors at once against the CPU's steps, tensor by tensor.
#include <algorithm>
#include <cmath>

#include "cpu/optimizer/optimizer.h"
#include "kernels_test.h"
#include "optimizer/optimizer.h"

namespace neuronode::cuda {
namespace {

using testing::DeviceArray;
using testing::FloatArray;
using testing::KernelTest;
using testing::randomFloats;
using testing::rounded;
using testing::sameResults;

// Around the chunk and the pack; some tensors badly aligned.
constexpr int64_t kCounts[] = {1, 3, 4, 10, 4095, 4096, 4097, 3 * 4096 + 5, 0, 8192};

// One tensor on both sides.
struct Tensor {
  std::vector<float> param, grad;
  std::vector<std::vector<float>> states;
  DeviceArray<float> deviceParam;
  FloatArray deviceGrad;
  std::vector<DeviceArray<float>> deviceStates;
  DeviceArray<uint16_t> shadow;

  Tensor(int64_t count, Storage storage, int64_t shift, int64_t halfShift, uint32_t seed)
      : param(randomFloats(count, -1, 1, seed)),
        grad(rounded(randomFloats(count, -1, 1, seed + 1), storage)),
        deviceParam(param, shift),
        deviceGrad(grad, storage, halfShift),
        shadow(count, halfShift) {
    // None is negative, since some are means of squares; the last is small enough for a mean beside
    // them.
    for (int i = 0; i < math::kMostStates; ++i) {
      states.push_back(
          randomFloats(count, i == 0 ? 0.5f : 0.0f, i == 0 ? 1.0f : 0.2f, seed + 2 + i));
      deviceStates.emplace_back(states.back(), shift);
    }
  }

  UpdateTensor entry(bool withShadow) const {
    return {.param = deviceParam.at(),
            .grad = deviceGrad.floats().at,
            .states = {deviceStates[0].at(), deviceStates[1].at(), deviceStates[2].at()},
            .shadow = withShadow ? shadow.at() : nullptr,
            .count = static_cast<int64_t>(param.size()),
            .gradStorage = deviceGrad.floats().storage};
  }
};

class CudaOptimizer : public KernelTest {
 protected:
  const OptimizerKernels& cpu_ = optimizerKernels(Isa::Baseline);

  // A few steps on both sides, compared after each.
  template <class Options>
  void compare(const Options& options) {
    std::vector<std::unique_ptr<Tensor>> tensors;
    std::vector<UpdateTensor> entries;
    uint32_t i = 0;
    for (const int64_t count : kCounts) {
      for (const Storage storage : testing::kStorages) {
        const int64_t shift = i % 5 == 4 ? 1 : 0, halfShift = i % 4 == 3 ? 1 : shift;
        tensors.push_back(std::make_unique<Tensor>(count, storage, shift, halfShift, 10 * i));
        entries.push_back(tensors.back()->entry(i % 3 != 0));
        ++i;
      }
    }
    const auto chunks = updateChunks(entries);
    const DeviceArray<UpdateTensor> entriesDevice(entries);
    const DeviceArray<UpdateChunk> chunksDevice(chunks);
    for (const int32_t number : {1, 2, 1000}) {
      const double lr = 0.01 / number;
      const DeviceArray<int32_t> stepDevice(std::vector<int32_t>{number});
      const DeviceArray<double> lrDevice(std::vector<double>{lr});
      optimizerStep(
          stream(),
          UpdateTable{entriesDevice.at(), chunksDevice.at(), static_cast<int64_t>(chunks.size()),
                      stepDevice.at(), lrDevice.at()},
          options);
      for (size_t t = 0; t < tensors.size(); ++t) {
        SCOPED_TRACE(::testing::Message() << "tensor " << t << " step " << number);
        Tensor& tensor = *tensors[t];
        OptimizerUpdate update{.param = tensor.param.data(),
                               .grad = tensor.grad.data(),
                               .states = {},
                               .count = static_cast<int64_t>(tensor.param.size()),
                               .step = number,
                               .lr = lr};
        for (int i = 0; i < math::stateCount(options); ++i) {
          update.states[i] = tensor.states[i].data();
        }
        cpu_.run(update, options);
        const auto param = read(tensor.deviceParam);
        EXPECT_TRUE(sameResults(param, tensor.param));
        for (int i = 0; i < math::kMostStates; ++i) {
          EXPECT_TRUE(sameResults(read(tensor.deviceStates[i]), tensor.states[i])) << "state " << i;
        }
        const auto shadow = read(tensor.shadow);
        for (size_t k = 0; k < shadow.size(); ++k) {
          ASSERT_EQ(shadow[k], entries[t].shadow == nullptr ? 0xffff : math::toBf16(param[k]));
        }
      }
    }
  }
};

TEST_F(CudaOptimizer, ChunksCoverEveryElementOnce) {
  std::vector<UpdateTensor> tensors;
  for (const int64_t count : kCounts) {
    UpdateTensor tensor{};
    tensor.count = count;
    tensors.push_back(tensor);
  }
  std::vector<int64_t> covered(tensors.size(), 0);
  for (const UpdateChunk& chunk : updateChunks(tensors)) {
    const auto t = static_cast<size_t>(chunk.tensor);
    EXPECT_EQ(chunk.begin, covered[t]);
    covered[t] = std::min(tensors[t].count, covered[t] + kUpdateChunk);
  }
  for (size_t t = 0; t < tensors.size(); ++t) EXPECT_EQ(covered[t], tensors[t].count);
}

TEST_F(CudaOptimizer, Adam) {
  compare(math::Adam{0.9, 0.999, 1e-8, 0, false});
  compare(math::Adam{0.4, 0.99, 1e-6, 0.01, false});
  compare(math::Adam{0.9, 0.95, 1e-8, 0.1, true});
}

TEST_F(CudaOptimizer, Sgd) {
  compare(math::Sgd{0, 0, 0, false});
  compare(math::Sgd{0, 0, 0.1, false});
  compare(math::Sgd{0.9, 0, 0, false});
  compare(math::Sgd{0.9, 0.3, 0.1, false});
  compare(math::Sgd{0.8, 0, 0.01, true});
}

TEST_F(CudaOptimizer, Rmsprop) {
  compare(math::Rmsprop{0.99, 1e-8, 0, 0, false});
  compare(math::Rmsprop{0.4, 1e-6, 0.1, 0.9, false});
  compare(math::Rmsprop{0.9, 1e-3, 0.1, 0, true});
  compare(math::Rmsprop{0.9, 1e-3, 0, 0.8, true});
}

TEST_F(CudaOptimizer, AFirstSgdStepReadsNoBuffer) {
  const DeviceArray<float> param(std::vector<float>(10, 1.0f)), grad(std::vector<float>(10, 2.0f));
  const DeviceArray<float> buffer(10);  // NaN
  UpdateTensor entry{};
  entry.param = param.at(), entry.grad = grad.at(), entry.states[0] = buffer.at(), entry.count = 10;
  const DeviceArray<UpdateTensor> entries(std::vector<UpdateTensor>{entry});
  const DeviceArray<UpdateChunk> chunks(updateChunks(std::vector<UpdateTensor>{entry}));
  const DeviceArray<int32_t> step(std::vector<int32_t>{1});
  const DeviceArray<double> lr(std::vector<double>{0.5});
  optimizerStep(stream(), {entries.at(), chunks.at(), 1, step.at(), lr.at()},
                math::Sgd{0.9, 0, 0, false});
  EXPECT_EQ(read(param), std::vector<float>(10, 0.0f));
  EXPECT_EQ(read(buffer), std::vector<float>(10, 2.0f));
}

}  // namespace
}  // namespace neuronode::cuda
