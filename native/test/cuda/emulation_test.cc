// The emulation's rules of memory, copies, devices and faults: each is broken here, and refused.
#include <cmath>

#include "emulation/checked.h"
#include "error.h"
#include "handles.h"
#include "launch.h"

namespace neuronode::cuda::emulation {
namespace {

struct Fill {
  float* to;
  float value;
  void operator()(int64_t i) const { to[i] = value; }
};
struct Copy {
  const float* from;
  float* to;
  void operator()(int64_t i) const { to[i] = from[i]; }
};

class EmulationTest : public Checked {
 protected:
  static constexpr int64_t kCount = 1000;
  static constexpr size_t kBytes = kCount * sizeof(float);

  EmulationTest() { start(); }
  void start() {
    stream = makeStream();
    memory = makeDeviceMemory(kBytes);
    pinned = makePinnedMemory(kBytes);
  }
  // Leaves out the frees that a lost device would refuse.
  void forget() {
    (void)stream.release();
    (void)memory.release();
    (void)pinned.release();
    reset(Settings());
  }
  void restart(const Settings& settings) {
    forget();
    reset(settings);
  }

  float* device() const { return static_cast<float*>(memory.get()); }
  float* host() const { return static_cast<float*>(pinned.get()); }
  void fill(float value) { launchElements(stream.get(), "fill", kCount, Fill{device(), value}); }
  cudaError_t copyBack() {
    return cudaMemcpyAsync(host(), device(), kBytes, cudaMemcpyDeviceToHost, stream.get());
  }

  Stream stream;
  DeviceMemory memory;
  PinnedMemory pinned;
};

TEST_F(EmulationTest, RunsNothingBeforeSomethingWaits) {
  host()[0] = 1;
  fill(2);
  ASSERT_EQ(copyBack(), cudaSuccess);
  EXPECT_EQ(host()[0], 1);
  EXPECT_EQ(workDone(), 0u);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(host()[0], 2);
  EXPECT_EQ(host()[kCount - 1], 2);
}

TEST_F(EmulationTest, CopiesFromPinnedMemoryWhenTheStreamGetsThere) {
  host()[0] = 1;
  ASSERT_EQ(cudaMemcpyAsync(device(), host(), kBytes, cudaMemcpyHostToDevice, stream.get()),
            cudaSuccess);
  host()[0] = 2;  // too early
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  float seen = 0;
  ASSERT_EQ(cudaMemcpy(&seen, device(), sizeof seen, cudaMemcpyDeviceToHost), cudaSuccess);
  EXPECT_EQ(seen, 2);
}

TEST_F(EmulationTest, GivesMemoryFullOfNaN) {
  ASSERT_EQ(copyBack(), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  for (int64_t i = 0; i < kCount; ++i) ASSERT_TRUE(std::isnan(host()[i])) << i;
}

TEST_F(EmulationTest, LetsTheHostTouchNoDeviceMemory) {
  fill(1);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_DEATH(device()[0] = 1, "outside of its work");
  EXPECT_DEATH(std::printf("%f", device()[0]), "outside of its work");
  float* const freed = host();
  pinned.reset();
  EXPECT_DEATH(freed[0] = 1, "outside of its work");
}

TEST_F(EmulationTest, LosesTheDeviceToAKernelThatLeavesItsMemory) {
  launchElements(stream.get(), "beyond", kCount + 64, Fill{device(), 1});
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorIllegalAddress);
  EXPECT_TRUE(isViolated("beyond: it touched"));
  // For good.
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorIllegalAddress);
  void* more = nullptr;
  EXPECT_EQ(cudaMalloc(&more, 64), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaGetLastError(), cudaErrorIllegalAddress);
}

TEST_F(EmulationTest, ReleasesOnALostDeviceToo) {
  launchElements(stream.get(), "nowhere", 1, Fill{nullptr, 1});
  EXPECT_EQ(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
  EXPECT_TRUE(isViolated("a null pointer"));
  EXPECT_EQ(cudaFree(memory.release()), cudaErrorIllegalAddress);
  EXPECT_EQ(cudaStreamDestroy(stream.release()), cudaErrorIllegalAddress);
  EXPECT_EQ(live().deviceBytes, 0u);
  EXPECT_EQ(live().streams, 0);
}

TEST_F(EmulationTest, FindsWorkThatUsesFreedMemory) {
  fill(1);
  ASSERT_EQ(cudaFree(memory.release()), cudaSuccess);  // does not wait
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorIllegalAddress);
  EXPECT_TRUE(isViolated("freed memory of device 0"));
}

TEST_F(EmulationTest, FindsCopiesOfFreedMemory) {
  ASSERT_EQ(copyBack(), cudaSuccess);
  ASSERT_EQ(cudaFreeHost(pinned.release()), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorIllegalAddress);
  EXPECT_TRUE(isViolated("freed pinned memory"));
}

TEST_F(EmulationTest, HandsFreedAddressesOutNoMore) {
  void* const before = memory.get();
  memory.reset();
  memory = makeDeviceMemory(kBytes);
  EXPECT_NE(memory.get(), before);
  EXPECT_EQ(cudaFree(before), cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("a second free"));
}

TEST_F(EmulationTest, FindsWritesJustOutsideOfAnAllocation) {
  const DeviceMemory odd = makeDeviceMemory(1000);
  auto* const bytes = static_cast<char*>(odd.get());
  for (char* place : {bytes - 4, bytes + 1000}) {
    DeviceMemory once = makeDeviceMemory(1000);
    char* const at = static_cast<char*>(once.get()) + (place - bytes);
    launchElements(stream.get(), "stray", 1, Fill{reinterpret_cast<float*>(at), 1});
    ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
    EXPECT_EQ(cudaFree(once.release()), cudaErrorInvalidValue);
    EXPECT_TRUE(isViolated(place < bytes ? "bytes before" : "bytes behind"));
  }
}

TEST_F(EmulationTest, FreesOnlyWhatItGave) {
  EXPECT_EQ(cudaFree(host()), cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("the wrong kind of free"));
  EXPECT_EQ(cudaFreeHost(device()), cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("the wrong kind of free"));
  EXPECT_EQ(cudaFree(device() + 64), cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("a free of"));
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(EmulationTest, CopiesAsynchronouslyOnlyWithPinnedMemory) {
  std::vector<float> pageable(kCount);
  EXPECT_EQ(
      cudaMemcpyAsync(device(), pageable.data(), kBytes, cudaMemcpyHostToDevice, stream.get()),
      cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("pageable"));
  EXPECT_EQ(
      cudaMemcpyAsync(pageable.data(), device(), kBytes, cudaMemcpyDeviceToHost, stream.get()),
      cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("pageable"));
  EXPECT_EQ(cudaMemcpy(pageable.data(), device(), kBytes, cudaMemcpyDeviceToHost), cudaSuccess);
}

TEST_F(EmulationTest, CopiesInTheDirectionOfThePointers) {
  for (const cudaMemcpyKind kind :
       {cudaMemcpyHostToDevice, cudaMemcpyDeviceToDevice, cudaMemcpyHostToHost}) {
    EXPECT_EQ(cudaMemcpyAsync(host(), device(), kBytes, kind, stream.get()), cudaErrorInvalidValue);
    EXPECT_TRUE(isViolated("the direction is wrong"));
  }
  EXPECT_EQ(cudaMemcpyAsync(host(), device(), kBytes, cudaMemcpyDefault, stream.get()),
            cudaSuccess);
}

TEST_F(EmulationTest, CopiesWithinOneAllocation) {
  EXPECT_EQ(cudaMemcpyAsync(host(), device(), kBytes + 1, cudaMemcpyDeviceToHost, stream.get()),
            cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("bytes at"));
  EXPECT_EQ(cudaMemsetAsync(device() + 1, 0, kBytes, stream.get()), cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("bytes at"));
  EXPECT_EQ(cudaMemcpyAsync(device() + 1, device(), 64, cudaMemcpyDeviceToDevice, stream.get()),
            cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("overlap"));
}

TEST_F(EmulationTest, RefusesTheDefaultStreams) {
  for (const cudaStream_t each : {cudaStream_t{}, cudaStreamLegacy, cudaStreamPerThread}) {
    EXPECT_EQ(cudaMemsetAsync(device(), 0, kBytes, each), cudaErrorInvalidResourceHandle);
    EXPECT_TRUE(isViolated("the default stream"));
  }
  EXPECT_EQ(cudaMemset(device(), 0, kBytes), cudaErrorInvalidValue);
  EXPECT_TRUE(isViolated("the default stream"));
}

TEST_F(EmulationTest, HasABlockingCopyThatWaitsForNoStream) {
  int early = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    seed(i);
    fill(static_cast<float>(i));
    float seen = 0;
    ASSERT_EQ(cudaMemcpy(&seen, device(), sizeof seen, cudaMemcpyDeviceToHost), cudaSuccess);
    early += seen != static_cast<float>(i);
    ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  }
  EXPECT_GT(early, 5);
  EXPECT_LT(early, 40);
}

TEST_F(EmulationTest, HasOnlySoMuchMemory) {
  restart({.memory = 1 << 20});
  size_t free = 0, total = 0;
  void *first = nullptr, *second = nullptr;
  ASSERT_EQ(cudaMalloc(&first, 700 << 10), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&second, 700 << 10), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  EXPECT_EQ(total, size_t{1} << 20);
  EXPECT_EQ(free, (size_t{1} << 20) - (700 << 10));
  ASSERT_EQ(cudaFree(first), cudaSuccess);
  ASSERT_EQ(cudaMalloc(&second, 700 << 10), cudaSuccess);
  ASSERT_EQ(cudaFree(second), cudaSuccess);
}

TEST_F(EmulationTest, KeepsDevicesApart) {
  restart({.devices = 2});
  start();
  ASSERT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorInvalidResourceHandle);
  EXPECT_TRUE(isViolated("a stream of device 0 was used while device 1 is current"));
  {
    const Stream other = makeStream();
    EXPECT_EQ(cudaMemsetAsync(device(), 0, kBytes, other.get()), cudaErrorInvalidValue);
    EXPECT_TRUE(isViolated("cudaMemsetAsync"));
    launchElements(other.get(), "foreign", kCount, Fill{device(), 1});
    EXPECT_EQ(cudaStreamSynchronize(other.get()), cudaErrorIllegalAddress);
    EXPECT_TRUE(isViolated("foreign: it touched memory of device 0"));
  }
  // The other device goes on.
  ASSERT_EQ(cudaSetDevice(0), cudaSuccess);
  fill(1);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  EXPECT_EQ(cudaSetDevice(2), cudaErrorInvalidDevice);
}

TEST_F(EmulationTest, RefusesHostPointersInKernels) {
  std::vector<float> mine(kCount);
  EXPECT_THROW(launchElements(stream.get(), "host", kCount, Copy{mine.data(), device()}), Error);
  EXPECT_TRUE(isViolated("host: its arguments hold a pointer to the host's memory"));
  float onStack = 0;
  EXPECT_THROW(launchElements(stream.get(), "host", 1, Copy{device(), &onStack}), Error);
  EXPECT_TRUE(isViolated("a pointer to the host's memory"));
  EXPECT_NO_THROW(launchElements(stream.get(), "pinned", kCount, Copy{host(), device()}));
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
}

TEST_F(EmulationTest, TellsOfTheMachineThatItIsToldToBe) {
  int count = -1, version = -1;
  restart({.driver = 0});
  EXPECT_EQ(cudaDriverGetVersion(&version), cudaSuccess);
  EXPECT_EQ(version, 0);
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  restart({.driver = 12080});
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorInsufficientDriver);
  restart({.devices = 0});
  EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
  restart({.computeMajor = 7, .computeMinor = 5});
  cudaDeviceProp properties;
  ASSERT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  EXPECT_EQ(properties.major, 7);
  EXPECT_EQ(properties.minor, 5);
  EXPECT_STREQ(properties.name, "Emulated H100 (host)");
}

TEST_F(EmulationTest, FailsTheCallThatItIsToldTo) {
  void* extra = nullptr;
  failCall("cudaMalloc", 2);
  ASSERT_EQ(cudaMalloc(&extra, 64), cudaSuccess);
  EXPECT_EQ(failed(), "");
  void* none = nullptr;
  EXPECT_EQ(cudaMalloc(&none, 64), cudaErrorMemoryAllocation);
  EXPECT_EQ(failed(), "cudaMalloc");
  failCall(2);
  EXPECT_EQ(cudaMemsetAsync(extra, 0, 64, stream.get()), cudaSuccess);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorNotSupported);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  failBy("cudaFree:1:memory");
  EXPECT_EQ(cudaFree(extra), cudaErrorMemoryAllocation);  // and freed all the same
  failBy("1:sticky");
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorLaunchFailure);
  EXPECT_THROW(failBy("cudaMalloc"), std::invalid_argument);
  EXPECT_THROW(failBy("a:b:c"), std::invalid_argument);
}

TEST_F(EmulationTest, FailsTheWorkThatItIsToldTo) {
  failBy("work:2");
  fill(1);
  ASSERT_EQ(cudaStreamSynchronize(stream.get()), cudaSuccess);
  fill(2);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorLaunchFailure);
  EXPECT_EQ(failed(), "fill");
}

TEST_F(EmulationTest, CountsWhatLives) {
  EXPECT_EQ(live().text(), "4000 device bytes, 4000 pinned bytes, 2 allocations, 1 streams");
  const Event event = makeEvent();
  EXPECT_EQ(live().events, 1);
  EXPECT_FALSE(live().none());
}

}  // namespace
}  // namespace neuronode::cuda::emulation
