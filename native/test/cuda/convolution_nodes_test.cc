// Convolution nodes on the emulated device: every kind and precision, with the library's plans and
// with each way to do without them, against plain loops.
#include "convolution_nodes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "convolution/geometry.h"
#include "convolution/matrix_product.h"
#include "emulation/conv_planner.h"
#include "error.h"
#include "kernel_request.h"
#include "kernels_test.h"

namespace neuronode::cuda::testing {

namespace {

const ConvNode kNodes[] = {
    {"plain", {2, 6, 9, 8}, {5, 6, 3, 3}, 1, 1, 1, 1},
    {"odd", {3, 5, 7, 10}, {7, 5, 4, 2}, 2, 1, 1, 0},
    {"first layer", {2, 1, 23, 22}, {9, 1, 5, 5}, 4, 4},
    {"first layer, padded", {2, 3, 18, 17}, {8, 3, 7, 5}, 2, 3, 3, 2},
    {"first layer, stride beyond the kernel", {2, 4, 12, 11}, {7, 4, 2, 2}, 3, 3},
    {"few channels, no stride", {2, 3, 8, 9}, {4, 3, 3, 3}, 1, 1, 1, 1},
    {"dilated", {2, 3, 15, 13}, {8, 3, 3, 2}, 1, 2, 2, 1, 2, 3},
    {"groups", {2, 8, 9, 7}, {6, 4, 3, 3}, 1, 1, 1, 1, 1, 1, 2},
    {"depthwise", {2, 5, 9, 9}, {10, 1, 3, 3}, 2, 2, 1, 1, 1, 1, 5},
    {"one by one", {2, 12, 5, 4}, {10, 12, 1, 1}},
};

enum class Plans { All, Unfused, None };

struct Way {
  const char* name;
  Precision precision;
  Plans plans;
  double tolerance;
};
// bf16 rounds operands and results to 8 bits of mantissa, tf32 operands to 11.
const Way kWays[] = {
    {"f32", Precision::F32, Plans::All, 1e-6},
    {"f32 unfused", Precision::F32, Plans::Unfused, 1e-6},
    {"f32 by matrix product", Precision::F32, Plans::None, 1e-6},
    {"tf32", Precision::TF32, Plans::All, 1e-3},
    {"tf32 by matrix product", Precision::TF32, Plans::None, 1e-3},
    {"bf16", Precision::BF16, Plans::All, 1e-2},
    {"bf16 unfused", Precision::BF16, Plans::Unfused, 1e-2},
    {"bf16 by matrix product", Precision::BF16, Plans::None, 1e-2},
};

void allow(Plans plans) {
  switch (plans) {
    case Plans::All:
      return emulation::refusePlans(nullptr);
    case Plans::Unfused:
      return emulation::refusePlans([](const ConvProblem& p) { return p.bias || p.relu; });
    case Plans::None:
      return emulation::refusePlans([](const ConvProblem&) { return true; });
  }
}

class ConvolutionTest : public ::testing::Test {
 protected:
  ConvolutionTest() {
    emulation::reset();
    begin();
  }
  ~ConvolutionTest() override {
    emulation::refusePlans(nullptr);
    emulation::grantPlans(nullptr);
    forget();
  }

  void begin() { context_ = std::make_unique<Context>(GpuFacts{.model = "emulated"}, health_); }
  void forget() {
    context_.reset();
    EXPECT_TRUE(emulation::live().none()) << emulation::live().text();
    for (const std::string& text : emulation::violations()) ADD_FAILURE() << text;
  }

  struct Tensor {
    Shape shape;
    std::vector<float> values;  // plain
    Layout layout = Layout::Undecided;
  };

  // Runs the node's kernel on tensors laid out as it asks: plain values of its outputs.
  std::vector<std::vector<float>> run(const FusedNode& node, const std::vector<Tensor>& inputs,
                                      const std::vector<Shape>& outputShapes,
                                      const KernelOptions& options) {
    std::vector<TensorDesc> in, out;
    for (const Tensor& tensor : inputs) in.push_back({DType::F32, tensor.shape, tensor.layout});
    for (const Shape& shape : outputShapes) out.push_back({DType::F32, shape});
    const KernelRequest request{*context_, node, in, out, options};
    const std::unique_ptr<Kernel> kernel = makeConvolution(request);
    name_ = kernel->name;
    outputLayouts_ = kernel->outputLayouts;
    for (size_t i = 0; i < in.size(); ++i) {
      EXPECT_EQ(preferredByConvolution(request, i), kernel->inputLayouts[i]);
    }
    std::vector<FloatArray> arrays;
    std::vector<void*> pointers[2];
    for (size_t i = 0; i < inputs.size(); ++i) {
      arrays.push_back(place(inputs[i].values, inputs[i].shape, kernel->inputLayouts[i]));
      pointers[0].push_back(arrays.back().floats().at);
    }
    for (size_t i = 0; i < outputShapes.size(); ++i) {
      const IndexMap map = mapOf(kernel->outputLayouts[i], outputShapes[i]);
      arrays.emplace_back(map.physicalCount, storageOf(kernel->outputLayouts[i]));
      pointers[1].push_back(arrays.back().floats().at);
    }
    const DeviceArray<char> workspace(static_cast<int64_t>(kernel->workspaceBytes));
    kernel->run(pointers[0], pointers[1], workspace.at());
    NN_CHECK_CUDA(cudaStreamSynchronize(context_->compute()));
    std::vector<std::vector<float>> results;
    for (size_t i = 0; i < outputShapes.size(); ++i) {
      results.push_back(plain(arrays[inputs.size() + i].values(),
                              mapOf(kernel->outputLayouts[i], outputShapes[i])));
    }
    return results;
  }

  const std::string& name() const { return name_; }
  const std::vector<Layout>& outputLayouts() const { return outputLayouts_; }
  Context& context() { return *context_; }
  Layout channelsLast(Storage storage) {
    return context_->layouts().id({.order = Order::ChannelsLast, .storage = storage});
  }

 private:
  Storage storageOf(Layout layout) { return context_->layouts().info(layout).storage; }
  IndexMap mapOf(Layout layout, const Shape& shape) {
    return indexMap(context_->layouts().info(layout), shape);
  }

  FloatArray place(const std::vector<float>& values, const Shape& shape, Layout layout) {
    const IndexMap map = mapOf(layout, shape);
    std::vector<float> placed(map.physicalCount);
    for (int64_t i = 0; i < map.physicalCount; ++i) {
      const int64_t from = map.plainOf(i);
      placed[i] = from < 0 ? 0 : values[from];
    }
    return {placed, storageOf(layout)};
  }

  // What is padding must be zero: it is weights' and gradients', which an optimizer multiplies.
  static std::vector<float> plain(const std::vector<float>& placed, const IndexMap& map) {
    std::vector<float> values(map.plainCount, NAN);
    for (int64_t i = 0; i < map.physicalCount; ++i) {
      const int64_t to = map.plainOf(i);
      if (to >= 0) values[to] = placed[i];
      if (to < 0) {
        EXPECT_EQ(placed[i], 0.0F);
      }
    }
    return values;
  }

  DeviceHealth health_;
  std::unique_ptr<Context> context_;
  std::string name_;
  std::vector<Layout> outputLayouts_;
};

std::vector<float> random(const Shape& shape, unsigned seed) {
  return randomFloats(elementCount(shape), -1, 1, seed);
}

TEST_F(ConvolutionTest, ForwardWithEveryEpilogue) {
  for (const ConvNode& node : kNodes) {
    for (const Way& way : kWays) {
      for (int epilogue = 0; epilogue < 4; ++epilogue) {
        SCOPED_TRACE(std::string(node.name) + ", " + way.name + ", " + std::to_string(epilogue));
        const bool bias = epilogue & 1, relu = epilogue & 2;
        allow(way.plans);
        FusedNode fused{.spec = node.spec(Op::Conv2d)};
        fused.relu = relu;
        std::vector<Tensor> inputs{{node.x, random(node.x, 1)}, {node.w, random(node.w, 2)}};
        if (bias) inputs.push_back({{node.w[0]}, random({node.w[0]}, 3)});
        const auto y = run(fused, inputs, {node.y()}, {.precision = way.precision});
        const std::vector<float> none;
        EXPECT_LE(difference(y[0], expectedForward(node, inputs[0].values, inputs[1].values,
                                                   bias ? inputs[2].values : none, relu)),
                  way.tolerance)
            << name();
      }
    }
  }
}

TEST_F(ConvolutionTest, InputGradWithAndWithoutMask) {
  for (const ConvNode& node : kNodes) {
    for (const Way& way : kWays) {
      for (int mask = 0; mask < 4; ++mask) {
        SCOPED_TRACE(std::string(node.name) + ", " + way.name + ", " + std::to_string(mask));
        allow(way.plans);
        FusedNode fused{.spec = node.spec(Op::Conv2dInputGrad)};
        fused.reluMask = mask > 0;
        std::vector<Tensor> inputs{{node.y(), random(node.y(), 1)}, {node.w, random(node.w, 2)}};
        // The activation as it may lie there: of either storage, or in a layout of no use.
        const Layout layouts[] = {Layout::Plain, channelsLast(Storage::F32),
                                  channelsLast(Storage::BF16)};
        if (mask > 0) inputs.push_back({node.x, random(node.x, 3), layouts[mask - 1]});
        const auto gx = run(fused, inputs, {node.x}, {.precision = way.precision});
        const std::vector<float> none;
        EXPECT_LE(difference(gx[0], expectedInputGrad(node, inputs[0].values, inputs[1].values,
                                                      mask > 0 ? inputs[2].values : none)),
                  way.tolerance)
            << name();
      }
    }
  }
}

TEST_F(ConvolutionTest, WeightGradWithAndWithoutBias) {
  for (const ConvNode& node : kNodes) {
    for (const Way& way : kWays) {
      for (const bool bias : {false, true}) {
        SCOPED_TRACE(std::string(node.name) + ", " + way.name + (bias ? ", bias" : ""));
        allow(way.plans);
        const FusedNode fused{.spec = node.spec(Op::Conv2dWeightGrad)};
        const std::vector<Tensor> inputs{{node.x, random(node.x, 1)},
                                         {node.y(), random(node.y(), 2)}};
        std::vector<Shape> outputs{node.w};
        if (bias) outputs.push_back({node.w[0]});
        const auto result = run(fused, inputs, outputs, {.precision = way.precision});
        EXPECT_LE(
            difference(result[0], expectedWeightGrad(node, inputs[0].values, inputs[1].values)),
            way.tolerance)
            << name();
        if (bias) {
          EXPECT_LE(difference(result[1], expectedBiasGrad(node, inputs[1].values)), way.tolerance);
        }
      }
    }
  }
}

TEST_F(ConvolutionTest, FallsBackStepByStep) {
  const ConvNode& node = kNodes[0];
  FusedNode fused{.spec = node.spec(Op::Conv2d)};
  fused.relu = true;
  const std::vector<Tensor> inputs{{node.x, random(node.x, 1)},
                                   {node.w, random(node.w, 2)},
                                   {{node.w[0]}, random({node.w[0]}, 3)}};
  const auto nameWith = [&](Plans plans) {
    allow(plans);
    run(fused, inputs, {node.y()}, {});
    return name();
  };
  EXPECT_EQ(nameWith(Plans::All), "emulated cudnn");
  EXPECT_EQ(nameWith(Plans::Unfused), "emulated cudnn then bias+relu");
  EXPECT_EQ(nameWith(Plans::None), "im2col then bias+relu");
}

TEST_F(ConvolutionTest, Bf16FallsBackToTf32) {
  const ConvNode& node = kNodes[0];
  emulation::refusePlans([](const ConvProblem& p) { return p.precision == Precision::BF16; });
  const std::vector<Tensor> inputs{{node.x, random(node.x, 1)}, {node.w, random(node.w, 2)}};
  const auto y =
      run({.spec = node.spec(Op::Conv2d)}, inputs, {node.y()}, {.precision = Precision::BF16});
  EXPECT_EQ(name(), "emulated cudnn");
  EXPECT_LE(difference(y[0], expectedForward(node, inputs[0].values, inputs[1].values, {}, false)),
            1e-3);
}

// The real library refuses f32 weight gradients of bf16 operands without a driver; with one it may
// not: the kernel takes what it gets.
TEST_F(ConvolutionTest, Bf16WeightGradientsAreStoredAsTheLibraryCan) {
  const ConvNode& node = kNodes[0];
  const std::vector<Tensor> inputs{{node.x, random(node.x, 1)}, {node.y(), random(node.y(), 2)}};
  const FusedNode fused{.spec = node.spec(Op::Conv2dWeightGrad)};
  const auto expected = expectedWeightGrad(node, inputs[0].values, inputs[1].values);
  const auto errorWith = [&](Storage storage) {
    emulation::grantPlans([storage](const ConvProblem& p) { return p.filter == storage; });
    const auto gw = run(fused, inputs, {node.w}, {.precision = Precision::BF16});
    EXPECT_EQ(outputLayouts()[0], channelsLast(storage));
    return difference(gw[0], expected);
  };
  EXPECT_LE(errorWith(Storage::BF16), 1e-2);
  EXPECT_LE(errorWith(Storage::F32), 5e-3);
}

// Whichever call fails, making and running a node ends in an Error and leaves nothing behind.
TEST_F(ConvolutionTest, EveryCallMayFail) {
  const ConvNode& node = kNodes[3];
  const std::vector<Tensor> inputs{{node.x, random(node.x, 1)}, {node.y(), random(node.y(), 2)}};
  const FusedNode fused{.spec = node.spec(Op::Conv2dWeightGrad)};
  for (const Plans plans : {Plans::All, Plans::None}) {
    allow(plans);
    int errors = 0;
    bool failed = true;
    for (uint64_t call = 1; failed; ++call) {
      forget();
      emulation::reset();
      emulation::failCall(call);
      try {
        begin();
        run(fused, inputs, {node.w, {node.w[0]}}, {});
      } catch (const Error&) {
        ++errors;
      }
      failed = !emulation::failed().empty();
      emulation::failNothing();
    }
    EXPECT_GT(errors, 20);
  }
}

// Chunks of images that do not divide the batch, and one image larger than the workspace.
TEST_F(ConvolutionTest, MatrixProductTakesImagesInChunks) {
  ConvNode node = kNodes[7];
  node.x[0] = 5;
  const std::vector<float> x = random(node.x, 1), w = random(node.w, 2), gy = random(node.y(), 3);
  const TensorDesc xDesc{DType::F32, node.x}, wDesc{DType::F32, node.w},
      yDesc{DType::F32, node.y()};
  const auto channelsFirst = [&](const std::vector<float>& values, const Shape& shape, bool back) {
    const IndexMap map = indexMap({.order = Order::ChannelsLast}, shape);
    std::vector<float> result(values.size());
    for (int64_t i = 0; i < map.plainCount; ++i) {
      (back ? result[i] : result[map.physicalOf(i)]) = values[back ? map.physicalOf(i) : i];
    }
    return result;
  };
  const int64_t imageBytes = node.y()[2] * node.y()[3] * 9 * 4 * 4;
  for (const int64_t workspace : {int64_t{1}, 2 * imageBytes, 100 * imageBytes}) {
    SCOPED_TRACE(workspace);
    const auto run = [&](Op op, std::vector<TensorDesc> in, std::vector<TensorDesc> out, int result,
                         const Shape& shape) {
      const ConvProblem geometry = convGeometry(node.spec(op), in, out).problem;
      const MatrixProduct product(context(), geometry, Precision::F32, workspace);
      EXPECT_LE(product.workspaceBytes(), static_cast<size_t>(std::max(workspace, imageBytes)));
      const DeviceArray<float> arrays[] = {
          DeviceArray<float>(result == 0 ? std::vector<float>(x.size(), NAN)
                                         : channelsFirst(x, node.x, false)),
          DeviceArray<float>(result == 1 ? std::vector<float>(w.size(), NAN)
                                         : channelsFirst(w, node.w, false)),
          DeviceArray<float>(result == 2 ? std::vector<float>(gy.size(), NAN)
                                         : channelsFirst(gy, node.y(), false))};
      const DeviceArray<char> memory(static_cast<int64_t>(product.workspaceBytes()));
      product.run({arrays[0].at(), arrays[1].at(), nullptr, arrays[2].at()}, memory.at());
      NN_CHECK_CUDA(cudaStreamSynchronize(context().compute()));
      return channelsFirst(arrays[result].values(), shape, true);
    };
    EXPECT_LE(difference(run(Op::Conv2d, {xDesc, wDesc}, {yDesc}, 2, node.y()),
                         expectedForward(node, x, w, {}, false)),
              1e-6);
    EXPECT_LE(difference(run(Op::Conv2dInputGrad, {yDesc, wDesc}, {xDesc}, 0, node.x),
                         expectedInputGrad(node, gy, w, {})),
              1e-6);
    EXPECT_LE(difference(run(Op::Conv2dWeightGrad, {xDesc, yDesc}, {wDesc}, 1, node.w),
                         expectedWeightGrad(node, x, gy)),
              1e-6);
  }
}

}  // namespace

}  // namespace neuronode::cuda::testing
