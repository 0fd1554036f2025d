// How the compiler agrees on layouts, on a backend of toy layouts: hints, views, shadows, merged
// updates, and what programs share.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "error.h"
#include "fake_backend.h"
#include "graph_nets.h"

namespace neuronode::test {
namespace {

using Floats = std::vector<float>;

HostTensor floats(const Floats& values, Shape shape = {}) {
  if (shape.empty()) shape = {static_cast<int64_t>(values.size())};
  HostTensor tensor{DType::F32, std::move(shape), {}};
  tensor.bytes.resize(values.size() * sizeof(float));
  std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
  return tensor;
}

void addNamed(GraphSpec& graph, const char* name, Op op, std::vector<int> inputs, int output) {
  addNode(graph, op, std::move(inputs), {output});
  graph.nodes.back().name = name;
}

// y = x + p, where the sum reads p rounded; then a step of SGD with momentum on p, and on q.
struct Net {
  GraphSpec graph;
  int x, p, q, y, step, lr, bufferP, bufferQ;
  Attrs attrs;

  explicit Net(bool trains = true, const char* reader = "rounded") {
    // The state first: memory is not in the order of values.
    bufferP = add(graph, ValueKind::State, {3}, "momentum_buffer.p");
    bufferQ = add(graph, ValueKind::State, {3}, "momentum_buffer.q");
    x = add(graph, ValueKind::Input, {3}, "x");
    p = add(graph, ValueKind::Parameter, {3}, "p");
    q = add(graph, ValueKind::Parameter, {3}, "q");
    y = intermediate(graph, {3});
    addNamed(graph, reader, Op::Add, {x, p}, y);
    graph.outputs = {{"y", y}};
    if (!trains) return;
    step = add(graph, ValueKind::Input, {}, "step", DType::I32);
    lr = add(graph, ValueKind::Input, {}, "lr", DType::F64);
    for (const char* name : {"dampening", "nesterov", "weightDecay"}) attrs.set(name, {0});
    attrs.set("momentum", {0.5});
    addNode(graph, Op::SgdStep, {p, x, bufferP, step, lr}, {}, attrs);
    addNode(graph, Op::SgdStep, {q, x, bufferQ, step, lr}, {}, attrs);
  }
};

class Layouts : public ::testing::TestWithParam<bool> {  // whether steps are merged
 protected:
  Layouts() { backend_.merges = GetParam(); }

  std::unique_ptr<Program> compile(const GraphSpec& graph, const Program* share = nullptr) {
    return Program::compile(graph, backend_, {}, share, running_);
  }

  Floats run(Program& program, const Floats& x = {0, 0, 0}, double lr = 1) {
    HostTensors inputs{{"x", floats(x)},
                       {"step", {DType::I32, {}, bytesOf(int32_t{1})}},
                       {"lr", {DType::F64, {}, bytesOf(lr)}}};
    return floatsOf(program.run(inputs, running_).at("y"));
  }

  static int reorders(const Program& program) {
    const auto& steps = program.plan().steps;
    return static_cast<int>(std::count_if(
        steps.begin(), steps.end(), [](const PlanStep& step) { return step.op == "reorder"; }));
  }

  FakeBackend backend_;
  std::atomic<bool> running_ = false;
};

INSTANTIATE_TEST_SUITE_P(Steps, Layouts, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Merged" : "Single"; });

TEST_P(Layouts, AParameterKeepsItsPrecisionAndItsReaderSeesItRounded) {
  auto program = compile(Net().graph);
  program->write("p", floats({1.25f, -2.75f, 3.f}));
  EXPECT_EQ(floatsOf(program->read("p")), (Floats{1.25f, -2.75f, 3.f}));
  EXPECT_EQ(run(*program), (Floats{1, -3, 3}));
}

TEST_P(Layouts, AnUpdateRefreshesTheRoundedCopy) {
  auto program = compile(Net().graph);
  program->write("p", floats({1, 2, 3}));
  run(*program, {0.25f, 0.f, -1.f});
  EXPECT_EQ(floatsOf(program->read("p")), (Floats{0.75f, 2, 4}));
  EXPECT_EQ(run(*program), (Floats{1, 2, 4}));
  // x comes reversed and rounded, y goes plain; where steps are single, the copy is refreshed too.
  const FusedNode& update = backend_.made.back();
  EXPECT_EQ(update.updates, GetParam() ? 2 : 1);
  EXPECT_EQ(update.shadows.size(), GetParam() ? 1u : 0u);
}

TEST_P(Layouts, SharedProgramsSeeEachOthersUpdates) {
  for (const bool trainerOwns : {true, false}) {
    auto first = compile(Net(trainerOwns).graph);
    auto second = compile(Net(!trainerOwns).graph, first.get());
    Program& trainer = trainerOwns ? *first : *second;
    Program& reader = trainerOwns ? *second : *first;
    reader.write("p", floats({1, 2, 3}));
    EXPECT_EQ(run(reader), (Floats{1, 2, 3}));
    run(trainer, {-1.25f, 0, 0.75f});
    EXPECT_EQ(run(reader), (Floats{2, 2, 2}));
    EXPECT_EQ(floatsOf(reader.read("p")), (Floats{2.25f, 2, 2.25f}));
    EXPECT_LT(second->plan().ownedBytes, first->plan().ownedBytes);
    first.reset();
    EXPECT_EQ(run(*second).size(), 3u);
  }
}

TEST_P(Layouts, AProgramThatUsesNoRoundedCopyKeepsItsOwnersTrue) {
  auto reader = compile(Net(false).graph);
  auto trainer = compile(Net(true, "reversed").graph, reader.get());
  run(*trainer, {-1.25f, 0, 0.75f});
  EXPECT_EQ(run(*reader), (Floats{1, 0, -1}));
}

TEST_P(Layouts, ASharedParameterWithoutARoundedCopyIsRoundedAfterEveryChange) {
  auto owner = compile(Net(true, "reversed").graph);
  auto reader = compile(Net(false).graph, owner.get());
  EXPECT_EQ(reorders(*reader), 1);  // x; that of p is a constant
  owner->write("p", floats({1.25f, 0, 0}));
  EXPECT_EQ(run(*reader), (Floats{1, 0, 0}));
  run(*owner, {-1, 0, 0});
  EXPECT_EQ(run(*reader), (Floats{2, 0, 0}));
}

TEST_P(Layouts, ACopyThatIsFirstReadAfterAnUpdateIsMadeInEveryRun) {
  Net net(true, "reversed");
  const int late = intermediate(net.graph, {3});
  addNamed(net.graph, "rounded", Op::Relu, {net.p}, late);
  net.graph.outputs = {{"y", late}};
  auto program = compile(net.graph);
  EXPECT_EQ(run(*program, {-1.25f, 0, 0}), (Floats{1, 0, 0}));
  EXPECT_EQ(floatsOf(program->read("p"))[0], 1.25f);
}

TEST_P(Layouts, ProfilePutsRoundedCopiesBack) {
  auto program = compile(Net().graph);
  program->write("p", floats({1, 2, 3}));
  const HostTensors inputs{{"x", floats({5, 5, 5})},
                           {"step", {DType::I32, {}, bytesOf(int32_t{1})}},
                           {"lr", {DType::F64, {}, bytesOf(1.0)}}};
  program->profile(inputs, 3, running_);
  EXPECT_EQ(run(*program), (Floats{1, 2, 3}));
}

TEST_P(Layouts, WhatPersistsLiesInOneAllocationKindByKind) {
  const int before = backend_.allocations;
  auto program = compile(Net().graph);
  EXPECT_EQ(backend_.allocations - before, 2);  // that, and the arena
  run(*program);
  if (!GetParam()) return;
  const auto at = [&](size_t input) {
    return static_cast<const std::byte*>(backend_.updateInputs[input]);
  };
  // p, its gradient, its buffer, q, ...: parameters, the rounded p, buffers.
  EXPECT_EQ(at(3) - at(0), 256);
  EXPECT_EQ(at(2) - at(0), 3 * 256);
  EXPECT_EQ(at(5) - at(0), 4 * 256);
}

TEST_P(Layouts, AValueIsWrittenAsItsFirstReaderLikes) {
  GraphSpec graph;
  const int x = add(graph, ValueKind::Input, {3}, "x");
  const int a = intermediate(graph, {3}), b = intermediate(graph, {3}),
            y = intermediate(graph, {3});
  addNamed(graph, "any", Op::Relu, {x}, a);
  addNamed(graph, "reversed", Op::Relu, {a}, b);
  addNamed(graph, "any", Op::Add, {a, b}, y);
  graph.outputs = {{"y", y}};
  auto program = compile(graph);
  EXPECT_EQ(backend_.hints, (std::vector{kReversed, Layout::Undecided, Layout::Undecided}));
  EXPECT_EQ(reorders(*program), 0);
  EXPECT_EQ(run(*program, {1, -2, 3}), (Floats{2, 0, 6}));
}

TEST_P(Layouts, AReshapeKeepsALayoutThatTheBackendKnows) {
  for (const char* name : {"reversed", "any"}) {
    GraphSpec graph;
    const int x = add(graph, ValueKind::Input, {6}, "x");
    const int a = intermediate(graph, {6}), view = intermediate(graph, {2, 3});
    const int b = intermediate(graph, {6}), y = intermediate(graph, {2, 3});
    addNamed(graph, "any", Op::Relu, {x}, a);
    addNamed(graph, name, Op::Relu, {a}, b);  // the hint of a
    addNode(graph, Op::Reshape, {a}, {view});
    addNamed(graph, name, Op::Relu, {view}, y);
    graph.outputs = {{"y", y}};
    auto program = compile(graph);
    EXPECT_EQ(reorders(*program), 0) << name;
    EXPECT_EQ(run(*program, {1, 2, -3, 4, 5, 6}), (Floats{1, 2, 0, 4, 5, 6}));
  }
}

TEST_P(Layouts, AViewOfAParameterIsACopyInAnyLayout) {
  Net net(false, "reversed");
  const int view = intermediate(net.graph, {1, 3}), late = intermediate(net.graph, {1, 3});
  addNode(net.graph, Op::Reshape, {net.p}, {view});
  const Net training;
  const int step = add(net.graph, ValueKind::Input, {}, "step", DType::I32);
  const int lr = add(net.graph, ValueKind::Input, {}, "lr", DType::F64);
  addNode(net.graph, Op::SgdStep, {net.p, net.x, net.bufferP, step, lr}, {}, training.attrs);
  addNamed(net.graph, "any", Op::Relu, {view}, late);
  net.graph.outputs = {{"y", late}};
  auto program = compile(net.graph);
  program->write("p", floats({1, 2, 3}));
  EXPECT_EQ(run(*program, {5, 5, 5}), (Floats{1, 2, 3}));
  EXPECT_EQ(floatsOf(program->read("p")), (Floats{-4, -3, -2}));
}

TEST_P(Layouts, AnArenaThatDoesNotFitSaysWhichBatchWould) {
  GraphSpec graph;
  const int x = add(graph, ValueKind::Input, {100, 64}, "x");
  const int y = intermediate(graph, {100, 64});
  addNamed(graph, "any", Op::Relu, {x}, y);
  graph.outputs = {{"y", y}};
  backend_.memory = 25600;
  try {
    compile(graph);
    ADD_FAILURE() << "it fitted";
  } catch (const Error& error) {
    EXPECT_STREQ(error.code(), errc::kOutOfMemory);
    EXPECT_NE(std::string(error.what()).find("a batch of about 50 would fit instead of 100"),
              std::string::npos)
        << error.what();
  }
  EXPECT_EQ(backend_.taken, 0u);
}

// Two runs under way, each with its own inputs.
TEST_P(Layouts, RunsOverlapWhereTheBackendIsAsynchronous) {
  backend_.asynchronous = true;
  auto program = compile(Net().graph);
  program->write("p", floats({1, 2, 3}));
  HostTensors inputs{{"x", floats({1, 0, 0})},
                     {"step", {DType::I32, {}, bytesOf(int32_t{1})}},
                     {"lr", {DType::F64, {}, bytesOf(1.0)}}};
  std::unique_ptr<PendingRun> first = program->start(inputs, running_);
  inputs["x"] = floats({0, 0, 7});
  std::unique_ptr<PendingRun> second = program->start(inputs, running_);
  inputs["x"] = floats({9, 9, 9});
  EXPECT_EQ(backend_.underWay, 2);
  EXPECT_EQ(floatsOf(program->finish(std::move(first)).at("y")), (Floats{2, 2, 3}));
  EXPECT_EQ(floatsOf(program->finish(std::move(second)).at("y")), (Floats{0, 2, 10}));
  EXPECT_EQ(backend_.underWay, 0);
  EXPECT_EQ(floatsOf(program->read("p"))[2], -4.f);
  program->write("p", floats({0, 0, 0.75f}));
  EXPECT_EQ(run(*program)[2], 1.f);
  EXPECT_FALSE(backend_.freedInUse);
}

TEST_P(Layouts, ACancelledRunLeavesNothingUnderWay) {
  backend_.asynchronous = true;
  auto program = compile(Net().graph);
  running_ = true;
  EXPECT_THROW(run(*program), Error);
  program.reset();
  EXPECT_FALSE(backend_.freedInUse);
  EXPECT_EQ(backend_.taken, 0u);
}

}  // namespace
}  // namespace neuronode::test
