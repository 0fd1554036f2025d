// checkGraph: what is refused.
#include <gtest/gtest.h>

#include "error.h"
#include "graph_nets.h"

namespace neuronode::test {
namespace {

void expectRefused(const GraphSpec& graph, const char* code, const char* text) {
  try {
    checkGraph(graph);
    ADD_FAILURE() << "accepted: " << text;
  } catch (const Error& error) {
    EXPECT_STREQ(error.code(), code);
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

TEST(CheckGraph, AcceptsAWellFormedGraph) { checkGraph(ConvNet().graph); }

// PyTorch's rule: half the kernel, however far dilation spreads it.
TEST(CheckGraph, PoolPaddingIsAtMostHalfTheKernel) {
  const auto pool = [](double kernel, double padding, double dilation, int64_t output) {
    GraphSpec graph;
    const int x = add(graph, ValueKind::Input, {1, 1, 12, 12}, "x");
    const int y = intermediate(graph, {1, 1, output, output});
    Attrs attrs;
    attrs.set("kernelSize", {kernel, kernel});
    attrs.set("stride", {1, 1});
    attrs.set("padding", {padding, padding});
    attrs.set("dilation", {dilation, dilation});
    addNode(graph, Op::MaxPool2d, {x}, {y}, attrs);
    graph.outputs = {{"y", y}};
    return graph;
  };
  checkGraph(pool(3, 1, 1, 12));
  checkGraph(pool(3, 1, 4, 6));
  checkGraph(pool(4, 2, 1, 13));
  for (double dilation : {1, 2, 4}) {
    const auto output = static_cast<int64_t>(12 + 2 * 2 - dilation * 2);
    expectRefused(pool(3, 2, dilation, output), errc::kShape, "at most half of the kernel size");
  }
}

TEST(CheckGraph, RefusesWhatKernelsCannotRunSafely) {
  ConvNet net;
  net.graph.values[net.conv].shape = {2, 5, 6, 7};
  expectRefused(net.graph, errc::kShape, "output must be [2, 5, 6, 6], got [2, 5, 6, 7]");

  net = ConvNet();
  net.graph.values[net.w].shape = {5, 2, 3, 3};
  expectRefused(net.graph, errc::kShape, "groups");

  net = ConvNet();
  net.graph.nodes[0].attrs = convAttrs(0);
  expectRefused(net.graph, errc::kArgument, "stride must be from 1");

  net = ConvNet();
  net.graph.nodes[0].attrs = {};
  expectRefused(net.graph, errc::kArgument, "'stride' is missing");

  net = ConvNet();
  net.graph.values[net.x].dtype = DType::U8;
  expectRefused(net.graph, errc::kDType, "input must be f32");

  net = ConvNet();
  net.graph.values[net.x].shape[0] = 0;
  expectRefused(net.graph, errc::kShape, "from 1 to 2147483647");

  net = ConvNet();
  net.graph.values[net.x].shape[0] = int64_t{1} << 31;
  expectRefused(net.graph, errc::kShape, "from 1 to 2147483647, got [2147483648");

  net = ConvNet();
  net.graph.values[net.indices].dtype = DType::I32;
  expectRefused(net.graph, errc::kDType, "indices must be u8");

  net = ConvNet();
  net.graph.nodes[0].inputs[1] = 99;
  expectRefused(net.graph, errc::kArgument, "no such value");

  net = ConvNet();
  std::swap(net.graph.nodes[0], net.graph.nodes[1]);
  expectRefused(net.graph, errc::kArgument, "reads a value that nothing wrote");

  net = ConvNet();
  net.graph.nodes[1].outputs = {net.conv};
  expectRefused(net.graph, errc::kArgument, "a second time");

  net = ConvNet();
  net.graph.nodes[1].inputs.clear();
  expectRefused(net.graph, errc::kArgument, "wrong number of inputs");

  net = ConvNet();
  net.graph.outputs.push_back({"never", intermediate(net.graph, {1})});
  expectRefused(net.graph, errc::kArgument, "never written");

  net = ConvNet();
  net.graph.values[net.b].name = "w";
  expectRefused(net.graph, errc::kArgument, "'w' is used twice");

  net = ConvNet();
  net.graph.values[net.gy].name = "x";
  expectRefused(net.graph, errc::kArgument, "'x' is used twice");

  net = ConvNet();
  net.graph.outputs[1].name = "pool";
  expectRefused(net.graph, errc::kArgument, "'pool' is used twice");

  net = ConvNet();
  net.graph.values[net.x].shape = {2147483647, 2147483647, 6, 6};
  expectRefused(net.graph, errc::kOutOfMemory, "larger than any memory");
}

}  // namespace
}  // namespace neuronode::test
