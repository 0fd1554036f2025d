// What the backend decides: layouts that spare reorders, kernels that stand in for what a library
// refuses, and what it says where memory is short.
#include <algorithm>

#include "backend_nets.h"

namespace neuronode::cuda::testing {
namespace {

std::vector<std::string> kernelNames(const Program& program) {
  std::vector<std::string> names;
  for (const PlanStep& step : program.plan().steps) names.push_back(step.kernel);
  return names;
}

int64_t countOf(const std::vector<std::string>& names, const std::string& name) {
  return std::count(names.begin(), names.end(), name);
}

class BackendPlan : public ::testing::Test {
 protected:
  Layout id(const LayoutInfo& info) { return gpu_.context().layouts().id(info); }
  const LayoutInfo& info(Layout layout) { return gpu_.context().layouts().info(layout); }
  std::unique_ptr<Kernel> make(Op op, const std::vector<TensorDesc>& in,
                               const std::vector<TensorDesc>& out,
                               const KernelOptions& options = {}, const Attrs& attrs = {}) {
    FusedNode node{.spec = {op, {}, {}, attrs, "layer", Phase::Forward}};
    return gpu_.backend().makeKernel(node, in, out, options);
  }

  Gpu gpu_;
};

constexpr DType kF32 = DType::F32;
constexpr Layout kUndecided = Layout::Undecided;

TEST_F(BackendPlan, ATrainingStepNeedsNoReorder) {
  for (const Precision precision : {Precision::F32, Precision::TF32, Precision::BF16}) {
    const std::unique_ptr<Program> program =
        compile(smallAlexNet(4).train().graph, gpu_.backend(), {.precision = precision});
    const std::vector<std::string> names = kernelNames(*program);
    EXPECT_EQ(countOf(names, "reorder"), 0);
    EXPECT_EQ(countOf(names, "adamStep of 10"), 1);
    // The ReLU's gradient comes with what feeds it.
    EXPECT_EQ(countOf(names, "maxPool2dGrad+reluGrad"), 3);
  }
}

TEST_F(BackendPlan, AFlattenIsAViewAndTheWeightBehindItFollows) {
  CudaBackend& backend = gpu_.backend();
  const Layout channelsLast = id({.order = Order::ChannelsLast});
  const Layout features = id({.order = Order::Features, .channels = 12});
  EXPECT_EQ(backend.viewLayout({kF32, {3, 12, 2, 2}, channelsLast}, {3, 48}), features);
  EXPECT_EQ(backend.viewLayout({kF32, {3, 48}, features}, {3, 12, 2, 2}), channelsLast);
  EXPECT_EQ(backend.viewLayout({kF32, {3, 48}, features}, {3, 6, 2, 4}), kUndecided);
  EXPECT_EQ(backend.viewLayout({kF32, {3, 12, 2, 2}, channelsLast}, {12, 12}), kUndecided);
  // One pixel or one channel: the plain order.
  EXPECT_EQ(backend.viewLayout({kF32, {3, 12, 1, 1}, channelsLast}, {3, 12}), Layout::Plain);
  EXPECT_EQ(backend.viewLayout({kF32, {3, 1, 4, 3}, channelsLast}, {3, 12}), Layout::Plain);
  EXPECT_EQ(backend.viewLayout({kF32, {3, 12}, Layout::Plain}, {3, 12, 1, 1}), channelsLast);
  EXPECT_EQ(backend.viewLayout({kF32, {3, 4}, Layout::Plain}, {2, 6}), Layout::Plain);
  EXPECT_EQ(backend.viewLayout({kF32, {3, 4}, id({.rowPitch = 8})}, {2, 6}), kUndecided);

  const auto forward =
      make(Op::Linear, {{kF32, {3, 48}, features}, {kF32, {8, 48}}, {kF32, {8}}}, {{kF32, {3, 8}}});
  EXPECT_EQ(forward->inputLayouts, (std::vector{features, features, Layout::Plain}));
  const auto inputGrad =
      make(Op::LinearInputGrad, {{kF32, {3, 8}}, {kF32, {8, 48}, features}}, {{kF32, {3, 48}}});
  EXPECT_EQ(inputGrad->outputLayouts[0], features);
  const auto weightGrad = make(Op::LinearWeightGrad, {{kF32, {3, 48}, features}, {kF32, {3, 8}}},
                               {{kF32, {8, 48}}, {kF32, {8}}});
  EXPECT_EQ(weightGrad->outputLayouts, (std::vector{features, Layout::Plain}));
}

TEST_F(BackendPlan, APlacedWeightSaysHowItsInputMustLie) {
  const Layout features = id({.order = Order::Features, .channels = 12});
  const auto kernel = make(Op::Linear, {{kF32, {3, 48}, features}, {kF32, {8, 48}, Layout::Plain}},
                           {{kF32, {3, 8}}});
  EXPECT_EQ(kernel->inputLayouts, (std::vector{Layout::Plain, Layout::Plain}));
}

TEST_F(BackendPlan, ProductsWriteRowsOfAMultipleOfEight) {
  const std::vector<TensorDesc> in{{kF32, {3, 48}, Layout::Plain}, {kF32, {10, 48}}};
  EXPECT_EQ(info(make(Op::Linear, in, {{kF32, {3, 10}}})->outputLayouts[0]).rowPitch, 16);
  // Unless the reader wants otherwise.
  EXPECT_EQ(make(Op::Linear, in, {{kF32, {3, 10}, Layout::Plain}})->outputLayouts[0],
            Layout::Plain);
  // The loss reads them as they are, and its gradient lies like them.
  const Layout rows = id({.rowPitch = 16});
  Attrs attrs;
  attrs.set("reduction", {0});
  attrs.set("ignoreIndex", {-100});
  attrs.set("labelSmoothing", {0});
  const auto loss =
      make(Op::SoftmaxCrossEntropy, {{kF32, {3, 10}, rows}, {DType::I32, {3}}, {DType::I32, {}}},
           {{kF32, {}}, {DType::I32, {}}, {kF32, {3, 10}}}, {}, attrs);
  EXPECT_EQ(loss->inputLayouts[0], rows);
  EXPECT_EQ(loss->outputLayouts[2], rows);
}

TEST_F(BackendPlan, InBf16OperandsAreBf16AndLogitsF32) {
  const KernelOptions options{.precision = Precision::BF16};
  const Layout half = id({.storage = Storage::BF16});
  FusedNode node{.spec = {Op::SoftmaxCrossEntropy, {}, {}, {}, "loss", Phase::Forward}};
  const std::vector<TensorDesc> logits{{kF32, {3, 10}}, {DType::I32, {3}}, {DType::I32, {}}};
  const Layout wanted = gpu_.backend().preferredLayout(node, logits, {}, 0, options);
  EXPECT_EQ(wanted, id({.rowPitch = 16}));

  const std::vector<TensorDesc> in{{kF32, {3, 48}, half}, {kF32, {10, 48}}, {kF32, {10}}};
  const auto last = make(Op::Linear, in, {{kF32, {3, 10}, wanted}}, options);
  EXPECT_EQ(last->inputLayouts, (std::vector{half, half, Layout::Plain}));
  EXPECT_EQ(last->outputLayouts[0], wanted);
  // Inside of a network the output is bf16, and so must the bias be that the library adds.
  const auto inner = make(Op::Linear, in, {{kF32, {3, 10}}}, options);
  EXPECT_EQ(inner->outputLayouts[0], id({.storage = Storage::BF16, .rowPitch = 16}));
  EXPECT_EQ(inner->inputLayouts[2], half);
  // What is kept is f32.
  EXPECT_EQ(gpu_.backend().storageLayout(half), Layout::Plain);
  EXPECT_EQ(gpu_.backend().bytes({kF32, {3, 48}, half}), 3 * 48 * 2);
}

TEST_F(BackendPlan, BiasIsAddedByOurOwnKernelWhereTheLibraryHasNone) {
  const KernelOptions options{.precision = Precision::BF16};
  // Rows of 12 bf16 elements are not aligned as the library's fused kernels want them.
  const auto kernel = make(
      Op::Linear, {{kF32, {3, 12}, id({.storage = Storage::BF16})}, {kF32, {10, 12}}, {kF32, {10}}},
      {{kF32, {3, 10}}}, options);
  EXPECT_EQ(kernel->name, "linear cublas+bias");
  EXPECT_EQ(kernel->inputLayouts[2], Layout::Plain);
}

TEST(BackendMemory, SaysWhatWasAskedForAndWhatThereIs) {
  emulation::Settings settings;
  settings.memory = size_t{100} << 20;
  Gpu gpu(settings);
  try {
    gpu.backend().allocate(size_t{200} << 20);
    ADD_FAILURE() << "allocated more than there is";
  } catch (const Error& error) {
    EXPECT_STREQ(error.code(), errc::kOutOfMemory);
    const std::string text = error.what();
    EXPECT_NE(text.find("200 MiB requested"), std::string::npos) << text;
    EXPECT_NE(text.find("free of 100 MiB"), std::string::npos) << text;
  }
  // And goes on: the failure is not taken for a later call's.
  const std::unique_ptr<Buffer> buffer = gpu.backend().allocate(1 << 20);
  std::vector<float> values((1 << 20) / sizeof(float), 1.0f);
  gpu.backend().download(values.data(), buffer->data(), 1 << 20);
  EXPECT_EQ(values, std::vector<float>(values.size(), 0.0f));
}

TEST(BackendMemory, CopiesMoreThanItStagesAtOnce) {
  Gpu gpu;
  const HostTensor written = randomTensor(DType::I32, {3'000'001}, 5, 1, 1 << 30);
  const std::unique_ptr<Buffer> buffer = gpu.backend().allocate(written.bytes.size());
  gpu.backend().upload(buffer->data(), written.bytes.data(), written.bytes.size());
  std::vector<std::byte> read(written.bytes.size());
  gpu.backend().download(read.data(), buffer->data(), read.size());
  EXPECT_EQ(read, written.bytes);
}

TEST(BackendMemory, ALostDeviceRefusesEveryCall) {
  Gpu gpu;
  gpu.health().markLost("cudaTest: lost");
  CudaBackend& backend = gpu.backend();
  float value = 0;
  const TensorDesc desc{DType::F32, {1}, Layout::Plain};
  const std::vector<std::function<void()>> calls{
      [&] { backend.synchronize(); },
      [&] { backend.allocate(4); },
      [&] { backend.makeReorder(desc, desc); },
      [&] { backend.makeExecutor({}, {}); },
      [&] { backend.upload(&value, &value, 4); },
      [&] { backend.download(&value, &value, 4); },
      [&] {
        backend.makeKernel({.spec = {Op::Relu, {}, {}, {}, "", Phase::Forward}}, {{desc}}, {{desc}},
                           {});
      },
  };
  for (const std::function<void()>& call : calls) {
    try {
      call();
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_STREQ(error.code(), errc::kDeviceFailed);
      EXPECT_NE(std::string(error.what()).find("cudaTest: lost"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace neuronode::cuda::testing
