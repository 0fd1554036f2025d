// The table of operations: that its facts agree with one another, and that every row's check is at
// work.
#include "graph/op_table.h"

#include <gtest/gtest.h>

#include <set>

#include "error.h"
#include "graph_nets.h"
#include "optimizers.h"

namespace neuronode::test {
namespace {

TEST(OpTable, NamesEveryOperationOnce) {
  std::set<std::string> names;
  for (const Op op : allOps()) {
    EXPECT_TRUE(names.insert(opName(op)).second) << opName(op);
    EXPECT_EQ(opFromName(opName(op)), op);
  }
  EXPECT_TRUE(names.contains("reluGrad"));
  EXPECT_THROW(opFromName("relu7"), Error);
  EXPECT_THROW(opFromName(""), Error);
}

TEST(OpTable, HasInputsWhereItSaysSo) {
  for (const Op op : allOps()) {
    const OpInfo& info = opInfo(op);
    SCOPED_TRACE(info.name);
    EXPECT_LE(info.inputs.least, info.inputs.most);
    EXPECT_LE(info.outputs.least, info.outputs.most);
    EXPECT_LE(info.shared, info.inputs.least);
    EXPECT_LT(info.labels, static_cast<int>(info.inputs.least));
    EXPECT_LT(info.count, static_cast<int>(info.inputs.least));
    // Whoever has no outputs must leave its result somewhere.
    EXPECT_TRUE(info.outputs.most > 0 || info.updates != 0);
  }
}

// A node of as many values as the operation may have, of a type and shape that no operation takes.
GraphSpec nonsense(Op op, size_t inputs, size_t outputs) {
  GraphSpec graph;
  std::vector<int> in, out;
  for (size_t i = 0; i < inputs; ++i) {
    in.push_back(add(graph, ValueKind::Input, {2, 3, 4}, "in" + std::to_string(i), DType::F64));
  }
  for (size_t i = 0; i < outputs; ++i) out.push_back(intermediate(graph, {5}));
  addNode(graph, op, in, out);
  return graph;
}

std::string refusal(const GraphSpec& graph) {
  try {
    checkGraph(graph);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(OpTable, EveryOperationChecksItsCountsAndItsValues) {
  const std::string counts = "wrong number of inputs or outputs";
  for (const Op op : allOps()) {
    const OpInfo& info = opInfo(op);
    SCOPED_TRACE(info.name);
    const std::string place = std::string("layer: ") + info.name + ": ";
    const auto [least, most] = info.inputs;
    if (least > 0) {
      EXPECT_EQ(refusal(nonsense(op, least - 1, info.outputs.least)), place + counts);
    }
    EXPECT_EQ(refusal(nonsense(op, most + 1, info.outputs.least)), place + counts);
    EXPECT_EQ(refusal(nonsense(op, least, info.outputs.most + 1)), place + counts);
    if (most == 0) continue;  // nothing that could be of a wrong type
    for (const size_t inputs : {least, most}) {
      const std::string said = refusal(nonsense(op, inputs, info.outputs.most));
      EXPECT_EQ(said.find(place), 0u) << said;
      EXPECT_EQ(said.find(counts), std::string::npos) << said;
    }
  }
}

TEST(OpTable, UpdatesInPlaceWhatPersistsOnly) {
  for (const Op op : allOps()) {
    const OpInfo& info = opInfo(op);
    if (info.family != Family::Optimizer) continue;
    SCOPED_TRACE(info.name);
    NodeSpec withAllState{.op = op};
    for (const char* name : {"alpha", "beta1", "beta2", "centered", "dampening", "decoupled", "eps",
                             "momentum", "nesterov", "weightDecay"}) {
      withAllState.attrs.set(name, {0.5});
    }
    const size_t tensors = 2 + static_cast<size_t>(stateCount(withAllState));
    for (size_t wrong = 0; wrong < tensors + info.shared; ++wrong) {
      GraphSpec graph;
      std::vector<int> in;
      for (size_t i = 0; i < tensors; ++i) {
        const bool isInput = i == 1 || i == wrong;
        in.push_back(add(graph, isInput ? ValueKind::Input : ValueKind::State, {3},
                         "value" + std::to_string(i)));
      }
      in.push_back(add(graph, ValueKind::Input, {}, "step", DType::I32));
      in.push_back(add(graph, ValueKind::Input, {}, "lr", DType::F64));
      addNode(graph, op, in, {}, withAllState.attrs);
      const bool isRefused = wrong != 1 && wrong < tensors;
      const std::string said = refusal(graph);
      EXPECT_EQ(said.empty(), !isRefused) << wrong << ": " << said;
      if (isRefused) EXPECT_NE(said.find("only parameters and state"), std::string::npos) << said;
    }
  }
}

TEST(OpTable, AnOptimizersAttributesSayHowMuchStateItTakes) {
  for (const double momentum : {0.0, 0.5}) {
    for (const size_t states : {size_t{0}, size_t{1}, size_t{2}}) {
      GraphSpec graph;
      std::vector<int> in;
      for (size_t i = 0; i < 2 + states; ++i) {
        const ValueKind kind = i == 1 ? ValueKind::Input : ValueKind::State;
        in.push_back(add(graph, kind, {3}, "value" + std::to_string(i)));
      }
      in.push_back(add(graph, ValueKind::Input, {}, "step", DType::I32));
      in.push_back(add(graph, ValueKind::Input, {}, "lr", DType::F64));
      Attrs attrs;
      for (const char* name : {"dampening", "nesterov", "weightDecay"}) attrs.set(name, {0});
      attrs.set("momentum", {momentum});
      addNode(graph, Op::SgdStep, in, {}, attrs);
      const std::string said = refusal(graph);
      const size_t wanted = momentum == 0 ? 0 : 1;
      EXPECT_EQ(said.empty(), states == wanted) << said;
      if (states != wanted) EXPECT_NE(said.find("tensors of state"), std::string::npos) << said;
    }
  }
}

}  // namespace
}  // namespace neuronode::test
