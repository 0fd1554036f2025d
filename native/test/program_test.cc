// Programs on the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "cpu/cpu_backend.h"
#include "error.h"
#include "graph_nets.h"

namespace neuronode::test {
namespace {

class ProgramTest : public testing::Test {
 protected:
  using Results = std::map<std::string, HostTensor>;

  std::unique_ptr<Program> compile(const GraphSpec& graph, const Program* share = nullptr) {
    return Program::compile(graph, backend_, {.algorithm = algorithm_}, share, running_);
  }

  void fill(Program& program, const ConvNet& net) {
    program.write("w", hostTensor(net.graph.values[net.w].shape,
                                  [](int64_t i) { return static_cast<float>(i % 7) / 8 - 0.4f; }));
    program.write("b", hostTensor({5}, [](int64_t i) { return static_cast<float>(i) / 4 - 0.5f; }));
  }

  Results run(Program& program) { return program.run(inputs_, running_); }

  CpuBackend backend_;
  ConvAlgorithm algorithm_ = ConvAlgorithm::Direct;
  std::atomic<bool> running_ = false;
  std::map<std::string, HostTensor> inputs_ = {
      {"x", hostTensor({2, 3, 6, 6}, [](int64_t i) { return static_cast<float>(i % 11) / 8; })},
      {"gy", hostTensor({2, 5, 3, 3}, [](int64_t i) { return static_cast<float>(i % 5) - 2; })}};
};

TEST_F(ProgramTest, FusedAndUnfusedGraphsAgree) {
  ConvNet fused, unfused;
  unfused.graph.outputs.push_back({"conv", unfused.conv});
  unfused.graph.outputs.push_back({"gPool", unfused.gPool});
  auto one = compile(fused.graph), two = compile(unfused.graph);
  EXPECT_LT(one->plan().steps.size(), two->plan().steps.size());
  fill(*one, fused);
  fill(*two, unfused);
  Results a = run(*one), b = run(*two);
  EXPECT_EQ(floatsOf(a["pool"]), floatsOf(b["pool"]));
  EXPECT_EQ(floatsOf(a["gw"]), floatsOf(b["gw"]));
  for (float value : floatsOf(a["pool"])) EXPECT_GE(value, 0);
}

TEST_F(ProgramTest, AlgorithmsAgree) {
  const ConvNet net;
  auto direct = compile(net.graph);
  fill(*direct, net);
  const std::vector<float> expected = floatsOf(run(*direct)["gw"]);
  algorithm_ = ConvAlgorithm::Winograd;
  auto winograd = compile(net.graph);
  EXPECT_EQ(winograd->plan().steps[1].kernel, "winograd F(4x4,3x3)");
  fill(*winograd, net);
  const std::vector<float> actual = floatsOf(run(*winograd)["gw"]);
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-4);
}

TEST_F(ProgramTest, ParametersComeBackAsTheyWereWritten) {
  const ConvNet net;
  auto program = compile(net.graph);
  fill(*program, net);
  const HostTensor w = hostTensor({5, 3, 3, 3}, [](int64_t i) { return static_cast<float>(i); });
  program->write("w", w);
  EXPECT_EQ(program->read("w").bytes, w.bytes);
  EXPECT_THROW(program->read("nothing"), Error);
  EXPECT_THROW(program->write("w", hostTensor({5}, [](int64_t) { return 0.f; })), Error);
}

TEST_F(ProgramTest, SharedProgramsUseOneMemory) {
  const ConvNet net;
  auto first = compile(net.graph);
  fill(*first, net);
  auto second = compile(net.graph, first.get());
  EXPECT_LT(second->plan().ownedBytes, first->plan().ownedBytes);
  EXPECT_EQ(floatsOf(run(*first)["gw"]), floatsOf(run(*second)["gw"]));
  first.reset();
  EXPECT_EQ(run(*second).size(), 2u);
}

TEST_F(ProgramTest, SaysWhatIsWrongWithInputsAndStopsWhenCancelled) {
  const ConvNet net;
  auto program = compile(net.graph);
  running_ = true;
  EXPECT_THROW(run(*program), Error);
  running_ = false;
  inputs_["x"].bytes.pop_back();
  EXPECT_THROW(run(*program), Error);
  inputs_.erase("x");
  EXPECT_THROW(run(*program), Error);
}

TEST_F(ProgramTest, ProfilePutsParametersBack) {
  GraphSpec graph;
  const int p = add(graph, ValueKind::Parameter, {9}, "p");
  const int g = add(graph, ValueKind::Input, {9}, "g");
  const int step = add(graph, ValueKind::Input, {}, "step", DType::I32);
  const int lr = add(graph, ValueKind::Input, {}, "lr", DType::F64);
  Attrs attrs;
  for (const char* name : {"momentum", "dampening", "nesterov", "weightDecay"})
    attrs.set(name, {0});
  addNode(graph, Op::SgdStep, {p, g, step, lr}, {}, attrs);
  auto program = compile(graph);
  const HostTensor ones = hostTensor({9}, [](int64_t) { return 1.f; });
  program->write("p", ones);
  const int32_t one = 1;
  const double rate = 0.5;
  inputs_ = {{"g", ones},
             {"step", {DType::I32, {}, bytesOf(one)}},
             {"lr", {DType::F64, {}, bytesOf(rate)}}};
  EXPECT_EQ(program->profile(inputs_, 3, running_).size(), 1u);
  EXPECT_EQ(program->read("p").bytes, ones.bytes);
  run(*program);
  EXPECT_EQ(floatsOf(program->read("p")), std::vector<float>(9, 0.5f));
}

// One step of SGD with momentum on a convolution's weights, whose gradient is an input.
struct Momentum {
  GraphSpec graph;
  int p, g, buffer, step, lr;
  Attrs attrs;

  explicit Momentum(Shape shape) {
    p = add(graph, ValueKind::Parameter, shape, "p");
    g = add(graph, ValueKind::Input, shape, "g");
    buffer = add(graph, ValueKind::State, shape, "buffer");
    step = add(graph, ValueKind::Input, {}, "step", DType::I32);
    lr = add(graph, ValueKind::Input, {}, "lr", DType::F64);
    for (const char* name : {"dampening", "nesterov", "weightDecay"}) attrs.set(name, {0});
    attrs.set("momentum", {0.5});
  }
  void addStep() { addNode(graph, Op::SgdStep, {p, g, buffer, step, lr}, {}, attrs); }
};

TEST_F(ProgramTest, StateInAnotherLayoutThanItsParameterIsUpdatedToo) {
  const Shape shape{16, 8, 3, 3};
  Momentum net(shape);
  const int x = add(net.graph, ValueKind::Input, {1, 8, 6, 6}, "x");
  const int y = intermediate(net.graph, {1, 16, 6, 6});
  const int sum = intermediate(net.graph, shape);
  // The buffer is read plain before the convolution places the parameter blocked.
  addNode(net.graph, Op::Add, {net.buffer, net.g}, {sum});
  addNode(net.graph, Op::Conv2d, {x, net.p}, {y}, convAttrs());
  net.addStep();
  net.graph.outputs = {{"y", y}, {"sum", sum}};
  auto program = compile(net.graph);
  const auto one = [](int64_t) { return 1.f; };
  inputs_ = {{"x", hostTensor({1, 8, 6, 6}, one)},
             {"g", hostTensor(shape, [](int64_t i) { return static_cast<float>(i); })},
             {"step", {DType::I32, {}, bytesOf(int32_t{1})}},
             {"lr", {DType::F64, {}, bytesOf(1.0)}}};
  run(*program);
  EXPECT_EQ(program->read("buffer").bytes, inputs_["g"].bytes);
}

TEST_F(ProgramTest, AViewOfAParameterKeepsTheValuesItWasTakenFrom) {
  Momentum net({6});
  const int view = intermediate(net.graph, {2, 3}), result = intermediate(net.graph, {2, 3});
  addNode(net.graph, Op::Reshape, {net.p}, {view});
  net.addStep();
  addNode(net.graph, Op::Relu, {view}, {result});
  net.graph.outputs = {{"result", result}};
  auto program = compile(net.graph);
  const HostTensor ones = hostTensor({6}, [](int64_t) { return 1.f; });
  program->write("p", ones);
  inputs_ = {{"g", ones},
             {"step", {DType::I32, {}, bytesOf(int32_t{1})}},
             {"lr", {DType::F64, {}, bytesOf(0.5)}}};
  EXPECT_EQ(floatsOf(run(*program)["result"]), std::vector<float>(6, 1.f));
  EXPECT_EQ(floatsOf(program->read("p")), std::vector<float>(6, 0.5f));
}

// A strided convolution of channels that are no whole blocks, with both its gradients; with a step
// of SGD or without.
GraphSpec stridedStep(bool trains) {
  GraphSpec graph;
  const Shape shape{40, 20, 3, 3};
  const int w = add(graph, ValueKind::Parameter, shape, "w");
  const int x = add(graph, ValueKind::Input, {2, 20, 9, 9}, "x");
  const int gy = add(graph, ValueKind::Input, {2, 40, 5, 5}, "gy");
  const int y = intermediate(graph, {2, 40, 5, 5}), gx = intermediate(graph, {2, 20, 9, 9});
  const int gw = intermediate(graph, shape);
  addNode(graph, Op::Conv2d, {x, w}, {y}, convAttrs(2));
  addNode(graph, Op::Conv2dInputGrad, {gy, w}, {gx}, convAttrs(2));
  addNode(graph, Op::Conv2dWeightGrad, {x, gy}, {gw}, convAttrs(2));
  graph.outputs = {{"y", y}, {"gx", gx}};
  if (!trains) {
    graph.outputs.push_back({"gw", gw});
    return graph;
  }
  const int step = add(graph, ValueKind::Input, {}, "step", DType::I32);
  const int lr = add(graph, ValueKind::Input, {}, "lr", DType::F64);
  Attrs attrs;
  for (const char* name : {"momentum", "dampening", "nesterov", "weightDecay"})
    attrs.set(name, {0});
  addNode(graph, Op::SgdStep, {w, gw, step, lr}, {}, attrs);
  return graph;
}

TEST_F(ProgramTest, AWeightsGradientComesInTheWeightsLayout) {
  const auto values = [](int64_t i) { return static_cast<float>(i * 7 % 11) / 8 - 0.6f; };
  auto trainer = compile(stridedStep(true)), reader = compile(stridedStep(false));
  const HostTensor weights = hostTensor({40, 20, 3, 3}, values);
  trainer->write("w", weights);
  reader->write("w", weights);
  inputs_ = {{"x", hostTensor({2, 20, 9, 9}, values)}, {"gy", hostTensor({2, 40, 5, 5}, values)}};
  Results expected = run(*reader);
  inputs_["step"] = {DType::I32, {}, bytesOf(int32_t{1})};
  inputs_["lr"] = {DType::F64, {}, bytesOf(1.0)};
  Results results = run(*trainer);
  for (const char* name : {"y", "gx"}) {
    EXPECT_EQ(floatsOf(results[name]), floatsOf(expected[name])) << name;
  }
  std::vector<float> stepped = floatsOf(weights);
  const std::vector<float> gradient = floatsOf(expected["gw"]);
  for (size_t i = 0; i < stepped.size(); ++i) stepped[i] -= gradient[i];
  EXPECT_EQ(floatsOf(trainer->read("w")), stepped);
  // x, gy, y and gx are plain outside; the weight has another layout for its input gradient at
  // most.
  const auto& steps = trainer->plan().steps;
  const auto isReorder = [](const PlanStep& step) { return step.op == "reorder"; };
  EXPECT_LE(std::count_if(steps.begin(), steps.end(), isReorder), 5);
}

TEST_F(ProgramTest, OneWeightServesConvolutionsOfDifferentGroups) {
  GraphSpec graph;
  const int w = add(graph, ValueKind::Parameter, {16, 8, 3, 3}, "w");
  const int narrow = add(graph, ValueKind::Input, {1, 8, 6, 6}, "narrow");
  const int wide = add(graph, ValueKind::Input, {1, 16, 6, 6}, "wide");
  const int a = intermediate(graph, {1, 16, 6, 6}), b = intermediate(graph, {1, 16, 6, 6});
  addNode(graph, Op::Conv2d, {narrow, w}, {a}, convAttrs());
  addNode(graph, Op::Conv2d, {wide, w}, {b}, convAttrs(1, 1, 2));
  graph.outputs = {{"a", a}, {"b", b}};
  auto program = compile(graph);
  const auto one = [](int64_t) { return 1.f; };
  program->write("w", hostTensor({16, 8, 3, 3}, one));
  inputs_ = {{"narrow", hostTensor({1, 8, 6, 6}, one)}, {"wide", hostTensor({1, 16, 6, 6}, one)}};
  Results results = run(*program);
  EXPECT_EQ(floatsOf(results["a"]), floatsOf(results["b"]));
  EXPECT_EQ(floatsOf(results["a"])[7], 72.f);
}

TEST_F(ProgramTest, NanPassesThroughAFusedRelu) {
  const ConvNet net;
  for (ConvAlgorithm algorithm : {ConvAlgorithm::Direct, ConvAlgorithm::Winograd}) {
    algorithm_ = algorithm;
    auto program = compile(net.graph);
    fill(*program, net);
    program->write("b", hostTensor({5}, [](int64_t i) { return i == 2 ? std::nanf("") : 0.f; }));
    const std::vector<float> pool = floatsOf(run(*program)["pool"]);
    for (int64_t i = 0; i < 9; ++i) EXPECT_TRUE(std::isnan(pool[2 * 9 + i]));
  }
}

TEST_F(ProgramTest, AnArenaLargerThanMemoryIsRefused) {
  GraphSpec graph;
  const int x = add(graph, ValueKind::Input, {1 << 20, 1 << 18}, "x");
  const int y = intermediate(graph, {1 << 20, 1 << 18});
  addNode(graph, Op::Relu, {x}, {y});
  graph.outputs = {{"y", y}};
  try {
    compile(graph);
    ADD_FAILURE() << "2 TiB were taken";
  } catch (const Error& error) {
    EXPECT_STREQ(error.code(), errc::kOutOfMemory);
    EXPECT_NE(std::string(error.what()).find("input 'x' [1048576, 262144] needs 1048576 MiB"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace neuronode::test
