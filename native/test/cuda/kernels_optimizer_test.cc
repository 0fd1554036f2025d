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
  std::vector<float> param, grad, first, second;
  DeviceArray<float> deviceParam, deviceFirst, deviceSecond;
  FloatArray deviceGrad;
  DeviceArray<uint16_t> shadow;

  Tensor(int64_t count, Storage storage, int64_t shift, int64_t halfShift, uint32_t seed)
      : param(randomFloats(count, -1, 1, seed)),
        grad(rounded(randomFloats(count, -1, 1, seed + 1), storage)),
        first(randomFloats(count, -1, 1, seed + 2)),
        second(randomFloats(count, 0, 1, seed + 3)),
        deviceParam(param, shift),
        deviceFirst(first, shift),
        deviceSecond(second, shift),
        deviceGrad(grad, storage, halfShift),
        shadow(count, halfShift) {}

  UpdateTensor entry(bool withShadow) const {
    return {.param = deviceParam.at(),
            .grad = deviceGrad.floats().at,
            .first = deviceFirst.at(),
            .second = deviceSecond.at(),
            .shadow = withShadow ? shadow.at() : nullptr,
            .count = static_cast<int64_t>(param.size()),
            .gradStorage = deviceGrad.floats().storage};
  }
};

class CudaOptimizer : public KernelTest {
 protected:
  const OptimizerKernels& cpu_ = optimizerKernels(Isa::Baseline);

  // launch(table) and step(tensor, number) for a few steps, compared after each.
  template <class Launch, class Step>
  void compare(Launch launch, Step step) {
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
      launch(UpdateTable{entriesDevice.at(), chunksDevice.at(), static_cast<int64_t>(chunks.size()),
                         stepDevice.at(), lrDevice.at()});
      for (size_t t = 0; t < tensors.size(); ++t) {
        SCOPED_TRACE(::testing::Message() << "tensor " << t << " step " << number);
        Tensor& tensor = *tensors[t];
        step(tensor, number, lr);
        const auto param = read(tensor.deviceParam);
        EXPECT_TRUE(sameResults(param, tensor.param));
        EXPECT_TRUE(sameResults(read(tensor.deviceFirst), tensor.first));
        EXPECT_TRUE(sameResults(read(tensor.deviceSecond), tensor.second));
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
  for (const AdamOptions& options :
       {AdamOptions{0.9, 0.999, 1e-8, 0, false}, AdamOptions{0.4, 0.99, 1e-6, 0.01, false},
        AdamOptions{0.9, 0.95, 1e-8, 0.1, true}}) {
    compare([&](const UpdateTable& table) { adamStep(stream(), table, options); },
            [&](Tensor& t, int64_t number, double lr) {
              cpu_.adamStep(t.param.data(), t.grad.data(), t.first.data(), t.second.data(),
                            static_cast<int64_t>(t.param.size()), number, lr, options);
            });
  }
}

TEST_F(CudaOptimizer, Sgd) {
  for (const SgdOptions& options :
       {SgdOptions{0, 0, 0, false}, SgdOptions{0, 0, 0.1, false}, SgdOptions{0.9, 0, 0, false},
        SgdOptions{0.9, 0.3, 0.1, false}, SgdOptions{0.8, 0, 0.01, true}}) {
    compare([&](const UpdateTable& table) { sgdStep(stream(), table, options); },
            [&](Tensor& t, int64_t number, double lr) {
              cpu_.sgdStep(t.param.data(), t.grad.data(),
                           options.momentum == 0 ? nullptr : t.first.data(),
                           static_cast<int64_t>(t.param.size()), number, lr, options);
            });
  }
}

TEST_F(CudaOptimizer, AFirstSgdStepReadsNoBuffer) {
  const DeviceArray<float> param(std::vector<float>(10, 1.0f)), grad(std::vector<float>(10, 2.0f));
  const DeviceArray<float> buffer(10);  // NaN
  UpdateTensor entry{};
  entry.param = param.at(), entry.grad = grad.at(), entry.first = buffer.at(), entry.count = 10;
  const DeviceArray<UpdateTensor> entries(std::vector<UpdateTensor>{entry});
  const DeviceArray<UpdateChunk> chunks(updateChunks(std::vector<UpdateTensor>{entry}));
  const DeviceArray<int32_t> step(std::vector<int32_t>{1});
  const DeviceArray<double> lr(std::vector<double>{0.5});
  sgdStep(stream(), {entries.at(), chunks.at(), 1, step.at(), lr.at()}, {0.9, 0, 0, false});
  EXPECT_EQ(read(param), std::vector<float>(10, 0.0f));
  EXPECT_EQ(read(buffer), std::vector<float>(10, 2.0f));
}

}  // namespace
}  // namespace neuronode::cuda
