// How runs follow each other: what is called, what is recorded, what waits and what does not, and
// what an error leaves behind. What runs compute is in backend_training_test.cc.
#include "executor.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "backend_nets.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda::testing {
namespace {

constexpr int64_t kCount = 1000;
constexpr size_t kBytes = kCount * sizeof(float);

// y = x + y, on the device: a step that leaves something behind for the next.
class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest()
      : x_(gpu_.backend().allocate(kBytes)),
        sum_(gpu_.backend().allocate(kBytes)),
        executor_(gpu_.backend().makeExecutor({{x_->data(), kBytes}}, {{sum_->data(), kBytes}})) {}

  void enqueue() {
    ++called_;
    add(gpu_.context().compute(), {x_->data()}, {sum_->data()}, {sum_->data()}, kCount);
  }

  // Of inputs that are all `value`. The input is overwritten at once, as a caller may.
  std::unique_ptr<PendingRun> start(
      float value, const std::function<void()>& more = [] {}) {
    std::vector<float> input(kCount, value);
    const void* data = input.data();
    std::unique_ptr<PendingRun> run = executor_->start({&data, 1}, [&] {
      enqueue();
      more();
    });
    std::fill(input.begin(), input.end(), -1e9f);
    return run;
  }

  static float resultOf(PendingRun& run) {
    const std::vector<std::vector<std::byte>> written = run.finish();
    std::vector<float> values(kCount);
    std::memcpy(values.data(), written.at(0).data(), kBytes);
    for (const float value : values) EXPECT_EQ(value, values[0]);
    return values[0];
  }

  Gpu gpu_;
  std::unique_ptr<Buffer> x_, sum_;
  std::unique_ptr<Executor> executor_;
  int called_ = 0;
};

TEST_F(ExecutorTest, CallsTheStepsOnceEagerlyAndOnceToRecordThem) {
  float expected = 0;
  for (const float value : {1.0f, 2.0f, 4.0f, 8.0f, 16.0f}) {
    expected += value;
    EXPECT_EQ(resultOf(*start(value)), expected);
  }
  EXPECT_EQ(called_, 2);
}

TEST_F(ExecutorTest, CallsEveryStepWhereTheEnvironmentWantsNoRecording) {
  setenv("NEURONODE_CUDA_GRAPHS", "off", 1);
  executor_ = gpu_.backend().makeExecutor({{x_->data(), kBytes}}, {{sum_->data(), kBytes}});
  unsetenv("NEURONODE_CUDA_GRAPHS");
  float expected = 0;
  for (const float value : {1.0f, 2.0f, 4.0f, 8.0f}) {
    expected += value;
    EXPECT_EQ(resultOf(*start(value)), expected);
  }
  EXPECT_EQ(called_, 4);
  EXPECT_EQ(emulation::live().execs, 0);
}

TEST_F(ExecutorTest, StartsTwoRunsWithoutWaitingForAny) {
  resultOf(*start(1));
  resultOf(*start(2));
  const uint64_t before = emulation::workDone();
  const std::unique_ptr<PendingRun> first = start(4), second = start(8);
  EXPECT_EQ(emulation::workDone(), before);
  EXPECT_EQ(resultOf(*first), 7);
  EXPECT_EQ(resultOf(*second), 15);
}

TEST_F(ExecutorTest, UploadsOverwriteNoInputsThatARunStillReads) {
  float expected = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    emulation::seed(seed);
    const std::unique_ptr<PendingRun> first = start(1), second = start(100);
    EXPECT_EQ(resultOf(*first), expected + 1);
    expected += 101;
    EXPECT_EQ(resultOf(*second), expected);
  }
}

TEST_F(ExecutorTest, MemoryIsFreedOnlyAfterTheWorkThatUsesIt) {
  const std::unique_ptr<Buffer> x = gpu_.backend().allocate(kBytes);
  {
    const std::unique_ptr<Buffer> y = gpu_.backend().allocate(kBytes);
    relu(gpu_.context().compute(), {x->data()}, {y->data()}, kCount);
  }
  gpu_.backend().synchronize();  // work on freed memory would be a breach, and lose the device
  EXPECT_FALSE(gpu_.health().isLost());
}

TEST_F(ExecutorTest, KeepsTheResultsOfRunsThatAreFinishedLate) {
  std::vector<std::unique_ptr<PendingRun>> runs;
  for (const float value : {1.0f, 2.0f, 4.0f, 8.0f, 16.0f}) runs.push_back(start(value));
  float expected = 31;
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    EXPECT_EQ(resultOf(**run), expected);
    expected = (expected - 1) / 2;
  }
}

TEST_F(ExecutorTest, ARunThatNobodyFinishesKeepsItsInputs) {
  for (const float value : {1.0f, 2.0f, 4.0f, 8.0f, 16.0f}) start(value);
  EXPECT_EQ(resultOf(*start(32)), 63);
}

TEST_F(ExecutorTest, OtherThreadsMayAllocateWhileStepsAreRecorded) {
  cudaError_t status = cudaErrorUnknown;
  const auto allocate = [&] {
    std::thread([&] {
      void* memory = nullptr;
      status = cudaMalloc(&memory, 100);
      if (status == cudaSuccess) status = cudaFree(memory);
    }).join();
  };
  resultOf(*start(1));
  EXPECT_EQ(resultOf(*start(2, allocate)), 3);
  EXPECT_EQ(status, cudaSuccess);
}

TEST_F(ExecutorTest, AnErrorInTheStepsLeavesTheStreamUsable) {
  const auto fail = [] { throw std::runtime_error("no"); };
  EXPECT_THROW(start(1, fail), std::runtime_error);
  EXPECT_EQ(resultOf(*start(2)), 3);
  EXPECT_THROW(start(4, fail), std::runtime_error);  // while it is recorded: it does not count
  EXPECT_EQ(resultOf(*start(8)), 11);
  EXPECT_EQ(resultOf(*start(16)), 27);
  EXPECT_EQ(called_, 4);
}

TEST_F(ExecutorTest, RefusesAndReleasesOnALostDevice) {
  resultOf(*start(1));
  const std::unique_ptr<PendingRun> run = start(2);
  emulation::failWork(1);
  EXPECT_THROW(run->finish(), Error);
  EXPECT_TRUE(gpu_.health().isLost());
  try {
    start(4);
    ADD_FAILURE() << "a lost device took work";
  } catch (const Error& error) {
    EXPECT_STREQ(error.code(), "ERR_NN_DEVICE_FAILED");
  }
}

TEST_F(ExecutorTest, FailsWithEachOfItsCallsAndGoesOn) {
  float expected = 0;
  uint64_t failures = 0;
  // Every call of a run in turn, until a run makes fewer; eager, recording and replaying runs.
  for (uint64_t n = 1;; ++n) {
    std::unique_ptr<Executor> fresh =
        gpu_.backend().makeExecutor({{x_->data(), kBytes}}, {{sum_->data(), kBytes}});
    std::swap(fresh, executor_);
    fresh.reset();
    int done = 0;
    emulation::failCall(n);
    for (int run = 0; run < 3; ++run) {
      try {
        std::unique_ptr<PendingRun> pending = start(1);
        const float result = resultOf(*pending);
        if (done++ > 0) {
          EXPECT_EQ(result, expected + 1) << "after " << emulation::failed();
        }
        expected = result;
      } catch (const Error&) {
        done = 0;  // whether the steps ran is not said
      }
    }
    const bool failed = !emulation::failed().empty();
    emulation::failNothing();
    if (!failed) break;
    ++failures;
    EXPECT_FALSE(gpu_.health().isLost());
    float result = 0;
    ASSERT_NO_THROW(result = resultOf(*start(1)));
    EXPECT_GT(result, expected);
    expected = result;
  }
  EXPECT_GT(failures, 20u);
}

}  // namespace
}  // namespace neuronode::cuda::testing
