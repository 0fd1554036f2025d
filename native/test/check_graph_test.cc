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
  expectRefused(net.graph, errc::kShape, "at least 1");

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
