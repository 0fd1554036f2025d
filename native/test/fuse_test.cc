// What is fused, which optimizer steps are merged, and how memory is shared.
#include "graph/fuse.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "graph/memory_plan.h"
#include "graph/merge_updates.h"
#include "graph_nets.h"

namespace neuronode::test {
namespace {

TEST(Fuse, FoldsReluIntoItsNeighbours) {
  const ConvNet net;
  const std::vector<FusedNode> nodes = fuse(net.graph);
  ASSERT_EQ(nodes.size(), 4u);
  EXPECT_EQ(nodes[0].spec.op, Op::Conv2d);
  EXPECT_TRUE(nodes[0].relu);
  EXPECT_EQ(nodes[0].spec.outputs, std::vector{net.relu});
  EXPECT_EQ(nodes[2].spec.op, Op::MaxPool2dGrad);
  EXPECT_TRUE(nodes[2].reluMask);
  EXPECT_EQ(nodes[2].spec.inputs, (std::vector{net.gy, net.indices, net.pool}));
  EXPECT_EQ(nodes[2].spec.outputs, std::vector{net.gRelu});
}

TEST(Fuse, LeavesValuesAloneThatAnythingElseReads) {
  ConvNet net;
  net.graph.outputs.push_back({"conv", net.conv});
  net.graph.outputs.push_back({"gPool", net.gPool});
  const std::vector<FusedNode> nodes = fuse(net.graph);
  EXPECT_EQ(nodes.size(), net.graph.nodes.size());
  for (const FusedNode& node : nodes) EXPECT_FALSE(node.relu || node.reluMask);
}

TEST(Fuse, LeavesAMaskAloneThatComesTooLate) {
  GraphSpec graph;
  const int gy = add(graph, ValueKind::Input, {2, 5, 6, 6}, "gy");
  const int w = add(graph, ValueKind::Parameter, {5, 3, 3, 3}, "w");
  const int x = add(graph, ValueKind::Input, {2, 3, 6, 6}, "x");
  const int gradient = intermediate(graph, {2, 3, 6, 6}), mask = intermediate(graph, {2, 3, 6, 6});
  const int masked = intermediate(graph, {2, 3, 6, 6});
  addNode(graph, Op::Conv2dInputGrad, {gy, w}, {gradient}, convAttrs());
  addNode(graph, Op::Relu, {x}, {mask});
  addNode(graph, Op::ReluGrad, {gradient, mask}, {masked});
  graph.outputs = {{"masked", masked}};
  checkGraph(graph);
  EXPECT_EQ(fuse(graph).size(), 3u);
}

TEST(Fuse, GivesAPoolsTensorsToItsGradientForALibrary) {
  const ConvNet net;
  const std::vector<FusedNode> nodes = fuse(net.graph, PoolingKernel::Library);
  ASSERT_EQ(nodes.size(), 4u);
  EXPECT_TRUE(nodes[0].relu);
  EXPECT_TRUE(nodes[2].poolTensors && nodes[2].reluMask);
  EXPECT_EQ(nodes[2].spec.inputs, (std::vector{net.gy, net.indices, net.relu, net.pool, net.pool}));
  EXPECT_FALSE(fuse(net.graph)[2].poolTensors);
}

TEST(Fuse, FoldsAnAdditionAndReluIntoBatchNormalisation) {
  for (const Op relu : {Op::Relu, Op::Relu6}) {
    for (const bool isFirst : {true, false}) {
      const ResidualNet net(relu, isFirst);
      const std::vector<FusedNode> nodes = fuse(net.graph);
      ASSERT_EQ(nodes.size(), 5u);
      EXPECT_EQ(nodes[0].spec.op, Op::BatchNorm);
      EXPECT_TRUE(nodes[0].residual && nodes[0].relu);
      EXPECT_EQ(nodes[0].relu6, relu == Op::Relu6);
      EXPECT_EQ(nodes[0].spec.inputs,
                (std::vector{net.x, net.count, net.weight, net.bias, net.shortcut}));
      EXPECT_EQ(nodes[0].spec.outputs, (std::vector{net.y, net.mean, net.variance}));
      EXPECT_EQ(fusedName("batchNorm", nodes[0]),
                relu == Op::Relu ? "batchNorm+add+relu" : "batchNorm+add+relu6");
    }
  }
}

TEST(Fuse, FoldsReluAndItsGradientIntoAdd) {
  const ResidualNet net;
  const std::vector<FusedNode> nodes = fuse(net.graph);
  ASSERT_EQ(nodes.size(), 5u);
  // The gradient of y, of which two nodes read what passes y.
  EXPECT_EQ(nodes[1].spec.op, Op::Add);
  EXPECT_TRUE(nodes[1].reluMask);
  EXPECT_EQ(nodes[1].spec.inputs, (std::vector{net.gy, net.gy2, net.y}));
  EXPECT_EQ(nodes[1].spec.outputs, std::vector{net.gSum});
  EXPECT_FALSE(nodes[2].reluMask);
  // x + shortcut.
  EXPECT_TRUE(nodes[3].relu);
  EXPECT_EQ(nodes[3].spec.outputs, std::vector{net.z});
  // gz passes z before the gradient of the second batch normalisation reads it.
  EXPECT_EQ(nodes[4].spec.op, Op::BatchNormGrad);
  EXPECT_TRUE(nodes[4].reluMask);
  EXPECT_EQ(nodes[4].spec.inputs,
            (std::vector{net.gz, net.x, net.mean, net.variance, net.count, net.weight, net.z}));
}

TEST(Fuse, RecomputesAMaskWhereTheDeviceDoes) {
  for (const bool hasBias : {true, false}) {
    const RectifiedNet net(Op::Relu6, hasBias);
    const std::vector<int> read{net.gy, net.x, net.mean, net.variance, net.count, net.weight};
    for (const bool recomputes : {true, false}) {
      const std::vector<FusedNode> nodes = fuse(net.graph, PoolingKernel::Own, recomputes);
      ASSERT_EQ(nodes.size(), 2u);
      EXPECT_EQ(nodes[1].reluOfInput, recomputes);
      EXPECT_EQ(nodes[1].reluMask, !recomputes);
      EXPECT_TRUE(nodes[1].relu6);
      std::vector<int> wanted = read;
      if (!recomputes) wanted.push_back(net.y);
      if (recomputes && hasBias) wanted.push_back(net.bias);
      EXPECT_EQ(nodes[1].spec.inputs, wanted);
    }
  }
  // Not of another x, of other attributes, or where something was added before the ReLU.
  const auto recomputed = [](auto change) {
    RectifiedNet net;
    change(net);
    return fuse(net.graph, PoolingKernel::Own, true).back().reluOfInput;
  };
  EXPECT_TRUE(recomputed([](RectifiedNet&) {}));
  EXPECT_FALSE(recomputed([](RectifiedNet& net) { net.graph.nodes[3].inputs[1] = net.gy; }));
  EXPECT_FALSE(recomputed([](RectifiedNet& net) { net.graph.nodes[3].attrs.set("eps", {1e-3}); }));
  EXPECT_FALSE(recomputed([](RectifiedNet& net) {
    const int sum = intermediate(net.graph, {3, 5, 7, 6});
    const NodeSpec added{Op::Add, {net.normalised, net.gy}, {sum}, {}, "", Phase::Forward};
    net.graph.nodes[1].inputs = {sum};
    net.graph.nodes.insert(net.graph.nodes.begin() + 1, added);
  }));
}

TEST(Fuse, AddsOnlyWhatIsThereByThen) {
  const auto fused = [](auto change) {
    ResidualNet net;
    change(net);
    checkGraph(net.graph);
    const std::vector<FusedNode> nodes = fuse(net.graph);
    const auto found = std::ranges::find_if(
        nodes, [](const FusedNode& node) { return node.spec.op == Op::BatchNorm; });
    return found->residual;
  };
  EXPECT_TRUE(fused([](ResidualNet&) {}));
  EXPECT_FALSE(fused([](ResidualNet& net) {
    net.graph.outputs.push_back({"bn", net.normalised});
  }));
  EXPECT_FALSE(fused([](ResidualNet& net) {
    net.graph.values[net.shortcut].kind = ValueKind::Parameter;  // an optimizer may step it
  }));
  EXPECT_FALSE(fused([](ResidualNet& net) {
    const int late = intermediate(net.graph, net.shape());
    const NodeSpec copy{Op::Square, {net.shortcut}, {late}, {}, "", Phase::Forward};
    net.graph.nodes.insert(net.graph.nodes.begin() + 1, copy);
    net.graph.nodes[2].inputs = {net.normalised, late};
  }));
  EXPECT_FALSE(fused([](ResidualNet& net) {
    net.graph.values[net.shortcut].shape = {1, 5, 1, 1};  // repeated
    net.graph.nodes[6].inputs = {net.x, net.x};
  }));
}

// Two parameters with a step each.
struct TwoSteps {
  GraphSpec graph;
  int p, q, g, bufferP, bufferQ, step, lr;
  Attrs attrs;

  TwoSteps() {
    p = add(graph, ValueKind::Parameter, {3}, "p");
    q = add(graph, ValueKind::Parameter, {3}, "q");
    g = add(graph, ValueKind::Input, {3}, "g");
    bufferP = add(graph, ValueKind::State, {3}, "momentum_buffer.p");
    bufferQ = add(graph, ValueKind::State, {3}, "momentum_buffer.q");
    step = add(graph, ValueKind::Input, {}, "step", DType::I32);
    lr = add(graph, ValueKind::Input, {}, "lr", DType::F64);
    for (const char* name : {"dampening", "nesterov", "weightDecay"}) attrs.set(name, {0});
    attrs.set("momentum", {0.5});
  }
  void addStepOfP() { addNode(graph, Op::SgdStep, {p, g, bufferP, step, lr}, {}, attrs); }
  void addStepOfQ() { addNode(graph, Op::SgdStep, {q, g, bufferQ, step, lr}, {}, attrs); }
  int addReaderOf(int value) {
    const int result = intermediate(graph, {3});
    addNode(graph, Op::Relu, {value}, {result});
    return result;
  }
  std::vector<FusedNode> merged() const {
    checkGraph(graph);
    return mergeUpdates(graph, fuse(graph));
  }
};

TEST(MergeUpdates, MakesOneNodeOfStepsThatShareTheirAttributes) {
  TwoSteps net;
  net.addStepOfP();
  net.addReaderOf(net.q);
  net.addStepOfQ();
  net.addReaderOf(net.p);
  const std::vector<FusedNode> nodes = net.merged();
  ASSERT_EQ(nodes.size(), 3u);
  const FusedNode& both = nodes[1];
  EXPECT_EQ(both.updates, 2);
  EXPECT_EQ(both.spec.inputs,
            (std::vector{net.p, net.g, net.bufferP, net.q, net.g, net.bufferQ, net.step, net.lr}));
  EXPECT_EQ(updateStride(both), 3);
  EXPECT_EQ(updatedInputs(both), (std::vector{0, 2, 3, 5}));
}

TEST(MergeUpdates, MovesNoStepBehindANodeThatReadsWhatItUpdates) {
  TwoSteps net;
  net.addStepOfP();
  net.addReaderOf(net.p);
  net.addStepOfQ();
  std::vector<FusedNode> nodes = net.merged();
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[0].updates, 1);
  EXPECT_EQ(nodes[0].spec.inputs, (std::vector{net.p, net.g, net.bufferP, net.step, net.lr}));

  // A second update of the same parameter, and one of what the first has as its gradient.
  net = TwoSteps();
  net.addStepOfP();
  net.addStepOfP();
  EXPECT_EQ(net.merged().size(), 2u);
  net = TwoSteps();
  addNode(net.graph, Op::SgdStep, {net.p, net.q, net.bufferP, net.step, net.lr}, {}, net.attrs);
  net.addStepOfQ();
  EXPECT_EQ(net.merged().size(), 2u);
}

TEST(MergeUpdates, KeepsStepsApartThatDiffer) {
  TwoSteps net;
  net.addStepOfP();
  net.attrs.set("weightDecay", {0.1});
  net.addStepOfQ();
  EXPECT_EQ(net.merged().size(), 2u);
  net = TwoSteps();
  net.addStepOfP();
  net.lr = add(net.graph, ValueKind::Input, {}, "lr.1", DType::F64);
  net.addStepOfQ();
  EXPECT_EQ(net.merged().size(), 2u);
}

TEST(MergeUpdates, FindsWhatANodeUpdates) {
  TwoSteps net;
  net.addStepOfP();
  net.addReaderOf(net.g);
  EXPECT_EQ(updatedInputs(fuse(net.graph)[0]), (std::vector{0, 2}));
  EXPECT_EQ(updatedInputs(net.merged()[0]), (std::vector{0, 2}));
  EXPECT_TRUE(updatedInputs(fuse(net.graph)[1]).empty());
}

TEST(MemoryPlan, SharesMemoryOnlyBetweenLifetimesThatDoNotMeet) {
  std::vector<Lifetime> lifetimes = {{100, 0, 1}, {300, 1, 2}, {100, 2, 3}, {0, 0, 9}, {50, 0, 3}};
  const size_t arena = planMemory(lifetimes);
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    const Lifetime& a = lifetimes[i];
    EXPECT_EQ(a.offset % kBufferAlignment, 0u);
    EXPECT_LE(a.offset + a.bytes, arena);
    for (size_t j = 0; j < i; ++j) {
      const Lifetime& b = lifetimes[j];
      const bool meet = a.first <= b.last && b.first <= a.last;
      const bool share = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
      EXPECT_FALSE(meet && share) << i << " and " << j;
    }
  }
  // The first and the third share, so three buffers' room is enough.
  EXPECT_EQ(arena, 320u + 128u + 64u);
}

}  // namespace
}  // namespace neuronode::test
