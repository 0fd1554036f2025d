// The emulation's rules of streams, events, capture and graphs.
#include <set>
#include <thread>

#include "emulation/checked.h"
#include "handles.h"
#include "launch.h"

namespace neuronode::cuda::emulation {
namespace {

struct Put {
  float* to;
  float value;
  void operator()(int64_t) const { *to = value; }
};
// to = 2 * from + add
struct Step {
  const float* from;
  float* to;
  float add;
  void operator()(int64_t) const { *to = 2 * *from + add; }
};

class EmulationStreamsTest : public Checked {
 protected:
  EmulationStreamsTest() : a(makeStream()), b(makeStream()), memory(makeDeviceMemory(64)) {}

  float* at(int i = 0) const { return static_cast<float*>(memory.get()) + i; }
  void put(const Stream& stream, float value, int i = 0) {
    launchElements(stream.get(), "put", 1, Put{at(i), value});
  }
  void step(const Stream& stream, float add, int from = 0, int to = 0) {
    launchElements(stream.get(), "step", 1, Step{at(from), at(to), add});
  }
  float read(int i = 0) {
    EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess);
    float value = 0;
    EXPECT_EQ(cudaMemcpy(&value, at(i), sizeof value, cudaMemcpyDeviceToHost), cudaSuccess);
    return value;
  }
  void order(const Stream& first, const Event& event, const Stream& second) {
    ASSERT_EQ(cudaEventRecord(event.get(), first.get()), cudaSuccess);
    ASSERT_EQ(cudaStreamWaitEvent(second.get(), event.get(), 0), cudaSuccess);
  }
  cudaError_t begin(const Stream& stream) {
    return cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal);
  }
  cudaError_t end(const Stream& stream, Graph& graph) {
    cudaGraph_t raw = nullptr;
    const cudaError_t status = cudaStreamEndCapture(stream.get(), &raw);
    graph.reset(raw);
    return status;
  }
  GraphExec instantiate(const Graph& graph) {
    cudaGraphExec_t raw = nullptr;
    EXPECT_EQ(cudaGraphInstantiate(&raw, graph.get(), 0), cudaSuccess);
    return GraphExec(raw);
  }

  Stream a, b;
  DeviceMemory memory;
  Event event = makeEvent(), second = makeEvent();
};

TEST_F(EmulationStreamsTest, RunsStreamsInAnyOrderThatEventsAllow) {
  std::set<float> apart, tied;
  for (uint64_t i = 0; i < 60; ++i) {
    seed(i);
    put(a, 1);
    step(b, 10);
    apart.insert(read());
    put(a, 1);
    order(a, event, b);
    step(b, 10);
    tied.insert(read());
  }
  // 12 where put came first, 1 where it came last.
  EXPECT_EQ(apart, (std::set<float>{1, 12}));
  EXPECT_EQ(tied, (std::set<float>{12}));
}

TEST_F(EmulationStreamsTest, KeepsTheOrderOfOneStream) {
  for (uint64_t i = 0; i < 20; ++i) {
    seed(i);
    put(a, 1);
    step(a, 1);
    step(a, 5);
    EXPECT_EQ(read(), 11);
  }
}

TEST_F(EmulationStreamsTest, WaitsForWhatTheEventStoodForWhenItWasWaitedFor) {
  for (uint64_t i = 0; i < 20; ++i) {
    seed(i);
    put(a, 1);
    order(a, event, b);
    step(b, 10, 0, 1);
    // Recorded again, later: the wait above means the first time.
    ASSERT_EQ(cudaEventRecord(event.get(), a.get()), cudaSuccess);
    ASSERT_EQ(cudaEventSynchronize(event.get()), cudaSuccess);
    EXPECT_EQ(read(1), 12);
  }
}

TEST_F(EmulationStreamsTest, RunsMoreThanWhatIsWaitedForOnlyByChance) {
  int more = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    seed(i);
    put(a, 1);
    ASSERT_EQ(cudaEventRecord(event.get(), a.get()), cudaSuccess);
    put(b, 2, 1);
    const uint64_t before = workDone();
    ASSERT_EQ(cudaEventSynchronize(event.get()), cudaSuccess);
    more += workDone() - before == 2;
    (void)read();
  }
  EXPECT_GT(more, 10);
  EXPECT_LT(more, 90);
}

TEST_F(EmulationStreamsTest, AnswersQueriesInTheEnd) {
  put(a, 1);
  ASSERT_EQ(cudaEventRecord(event.get(), a.get()), cudaSuccess);
  int asked = 1;
  while (cudaEventQuery(event.get()) == cudaErrorNotReady) ++asked;
  EXPECT_LT(asked, 100);
  EXPECT_EQ(cudaEventQuery(event.get()), cudaSuccess);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST_F(EmulationStreamsTest, KnowsHandlesThatAreGone) {
  const cudaStream_t gone = makeStream().get();
  EXPECT_EQ(cudaStreamSynchronize(gone), cudaErrorInvalidResourceHandle);
  EXPECT_TRUE(isViolated("a stream that is not there"));
  const cudaEvent_t past = makeEvent().get();
  EXPECT_EQ(cudaEventRecord(past, a.get()), cudaErrorInvalidResourceHandle);
  EXPECT_TRUE(isViolated("an event that is not there"));
  EXPECT_EQ(cudaStreamWaitEvent(a.get(), past, 0), cudaErrorInvalidResourceHandle);
  EXPECT_TRUE(isViolated("no event"));
}

TEST_F(EmulationStreamsTest, MeasuresTimeWithEventsMadeForIt) {
  float milliseconds = -1;
  ASSERT_EQ(cudaEventRecord(event.get(), a.get()), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, event.get(), event.get()),
            cudaErrorInvalidResourceHandle);
  cudaEvent_t raw = nullptr;
  ASSERT_EQ(cudaEventCreate(&raw), cudaSuccess);
  const Event timing(raw);
  ASSERT_EQ(cudaEventRecord(raw, a.get()), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, raw, raw), cudaErrorNotReady);
  ASSERT_EQ(cudaEventSynchronize(raw), cudaSuccess);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, raw, raw), cudaSuccess);
  EXPECT_EQ(milliseconds, 0);
}

TEST_F(EmulationStreamsTest, ReplaysWhatItCaptured) {
  ASSERT_EQ(begin(a), cudaSuccess);
  put(a, 1);
  step(a, 1);
  {
    Graph graph;
    ASSERT_EQ(end(a, graph), cudaSuccess);
    EXPECT_EQ(workDone(), 0u);  // captured, not run
    const GraphExec exec = instantiate(graph);
    graph.reset();
    for (int i = 0; i < 3; ++i) {
      ASSERT_EQ(cudaGraphLaunch(exec.get(), a.get()), cudaSuccess);
      step(a, 10);
      EXPECT_EQ(read(), 16);
    }
  }
}

TEST_F(EmulationStreamsTest, CapturesTheBranchesThatJoinAgain) {
  ASSERT_EQ(begin(a), cudaSuccess);
  put(a, 1);
  order(a, event, b);
  step(b, 10, 0, 1);
  step(a, 20, 0, 2);
  order(b, second, a);
  step(a, 100, 1, 3);
  Graph graph;
  ASSERT_EQ(end(a, graph), cudaSuccess);
  const GraphExec exec = instantiate(graph);
  for (uint64_t i = 0; i < 20; ++i) {
    seed(i);
    ASSERT_EQ(cudaGraphLaunch(exec.get(), b.get()), cudaSuccess);
    EXPECT_EQ(read(2), 22);
    EXPECT_EQ(read(3), 124);
  }
  // Both streams work as before.
  put(b, 5);
  EXPECT_EQ(read(), 5);
}

TEST_F(EmulationStreamsTest, RefusesACaptureThatDoesNotJoin) {
  Graph graph;
  ASSERT_EQ(begin(a), cudaSuccess);
  order(a, event, b);
  put(b, 1);
  EXPECT_EQ(end(a, graph), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(graph, nullptr);
}

TEST_F(EmulationStreamsTest, RefusesToWaitOrAllocateWhileCapturing) {
  PinnedMemory pinned = makePinnedMemory(64);
  void* out = nullptr;
  const std::vector<std::function<cudaError_t()>> calls = {
      [&] { return cudaStreamSynchronize(a.get()); },
      [&] { return cudaStreamSynchronize(b.get()); },
      [&] { return cudaDeviceSynchronize(); },
      [&] { return cudaMalloc(&out, 64); },
      [&] { return cudaMallocHost(&out, 64); },
      [&] { return cudaMemcpy(pinned.get(), at(), 4, cudaMemcpyDeviceToHost); },
      [&] { return cudaEventSynchronize(event.get()); },
      [&] { return cudaEventQuery(event.get()); },
  };
  for (size_t i = 0; i < calls.size(); ++i) {
    SCOPED_TRACE(i);
    Graph graph;
    ASSERT_EQ(begin(a), cudaSuccess);
    put(a, 1);
    EXPECT_EQ(calls[i](), cudaErrorStreamCaptureUnsupported);
    // What follows is refused as well, up to the end.
    EXPECT_EQ(cudaMemsetAsync(at(), 0, 4, a.get()), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(end(a, graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(graph, nullptr);
    put(a, 3);
    EXPECT_EQ(read(), 3);
  }
}

TEST_F(EmulationStreamsTest, LetsOtherThreadsAllocateWhileOneCaptures) {
  Graph graph;
  ASSERT_EQ(begin(a), cudaSuccess);
  std::thread([] {
    void* memory = nullptr;
    EXPECT_EQ(cudaMalloc(&memory, 64), cudaSuccess);
    EXPECT_EQ(cudaFree(memory), cudaSuccess);
  }).join();
  put(a, 1);
  std::thread([this] {
    cudaGraph_t raw = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(a.get(), &raw), cudaErrorStreamCaptureWrongThread);
  }).join();
  EXPECT_EQ(end(a, graph), cudaSuccess);
}

TEST_F(EmulationStreamsTest, KeepsACaptureApartFromWorkOutside) {
  Graph graph;
  ASSERT_EQ(cudaEventRecord(event.get(), b.get()), cudaSuccess);
  ASSERT_EQ(begin(a), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(a.get(), event.get(), 0), cudaErrorStreamCaptureIsolation);
  EXPECT_EQ(end(a, graph), cudaErrorStreamCaptureInvalidated);

  ASSERT_EQ(begin(a), cudaSuccess);
  ASSERT_EQ(begin(b), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event.get(), a.get()), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(b.get(), event.get(), 0), cudaErrorStreamCaptureMerge);
  EXPECT_EQ(end(a, graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(end(b, graph), cudaErrorStreamCaptureInvalidated);
}

TEST_F(EmulationStreamsTest, EndsACaptureWhereItBegan) {
  Graph graph;
  EXPECT_EQ(end(a, graph), cudaErrorIllegalState);
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal),
            cudaErrorInvalidResourceHandle);
  EXPECT_TRUE(isViolated("the default stream"));
  ASSERT_EQ(begin(a), cudaSuccess);
  order(a, event, b);
  EXPECT_EQ(end(b, graph), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(end(a, graph), cudaErrorStreamCaptureInvalidated);
  ASSERT_EQ(begin(a), cudaSuccess);
  EXPECT_EQ(live().captures, 1);
  a.reset();
  EXPECT_EQ(live().captures, 0);
}

TEST_F(EmulationStreamsTest, LeavesACaptureWhoseEndFails) {
  Graph graph;
  ASSERT_EQ(begin(a), cudaSuccess);
  put(a, 1);
  failCall("cudaStreamEndCapture", 1);
  EXPECT_EQ(end(a, graph), cudaErrorNotSupported);
  EXPECT_EQ(graph, nullptr);
  put(a, 2);
  EXPECT_EQ(read(), 2);
}

TEST_F(EmulationStreamsTest, DropsTheWorkOfALostDevice) {
  put(a, 1);
  order(a, event, b);
  put(b, 2);
  failWork(1);
  EXPECT_EQ(cudaStreamSynchronize(b.get()), cudaErrorLaunchFailure);
  EXPECT_EQ(workDone(), 1u);
  EXPECT_EQ(cudaEventSynchronize(event.get()), cudaErrorLaunchFailure);
}

}  // namespace
}  // namespace neuronode::cuda::emulation
