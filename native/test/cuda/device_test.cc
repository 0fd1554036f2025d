// GPUs as devices: each works on its own, and one that is lost takes nothing with it.
#include <cstdlib>

#include "backend_nets.h"
#include "cuda_device.h"

extern "C" neuronode::DeviceProvider* neuronodeDeviceLibrary(const char* build);

namespace neuronode::cuda::testing {
namespace {

void resetTo(int devices) {
  emulation::Settings settings;
  settings.devices = devices;
  emulation::reset(settings);
}

std::string codeOf(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

class DeviceTest : public ::testing::Test {
 protected:
  DeviceTest() { resetTo(2); }
  ~DeviceTest() override { DeviceHealth::setCurrent(nullptr); }

  // Each job of a device begins like this, on whatever thread.
  static Backend& begin(CudaDevice& device) {
    device.beginJob(1);
    return device.backend();
  }

  static float lossOf(CudaDevice& device, Program& program, const Net& net, int step) {
    begin(device);
    return valuesOf<float>(program.run(net.inputs(step), kNotCancelled).at("loss"))[0];
  }

  static std::unique_ptr<Program> make(CudaDevice& device, const Net& net) {
    std::unique_ptr<Program> program = compile(net.graph, begin(device));
    net.initialize(*program);
    return program;
  }
};

TEST_F(DeviceTest, TwoTrainInTurnsEachOnItsOwn) {
  const Net net = smallLeNet(2).train();
  auto first = std::make_unique<CudaDevice>(GpuFacts{.ordinal = 0});
  auto second = std::make_unique<CudaDevice>(GpuFacts{.ordinal = 1});
  std::unique_ptr<Program> one = make(*first, net), other = make(*second, net);
  for (int step = 1; step <= 3; ++step) {
    EXPECT_EQ(lossOf(*first, *one, net, step), lossOf(*second, *other, net, step));
  }
  begin(*second);
  other.reset();
  second.reset();
  begin(*first);
  one.reset();
  first.reset();
  EXPECT_TRUE(emulation::live().none()) << emulation::live().text();
  EXPECT_EQ(emulation::violations(), std::vector<std::string>{});
}

TEST_F(DeviceTest, ALostOneLeavesTheOtherAlone) {
  const Net net = smallLeNet(2).train();
  CudaDevice first({.ordinal = 0}), second({.ordinal = 1});
  const std::unique_ptr<Program> one = make(first, net);
  std::unique_ptr<Program> other = make(second, net);
  const float before = lossOf(first, *one, net, 1);
  EXPECT_EQ(before, lossOf(second, *other, net, 1));

  emulation::failWork(1);
  EXPECT_EQ(codeOf([&] { lossOf(second, *other, net, 2); }), "ERR_NN_DEVICE_FAILED");
  EXPECT_TRUE(second.health().isLost());
  EXPECT_FALSE(first.health().isLost());
  // No job begins on it any more, and each is told why.
  try {
    begin(second);
    ADD_FAILURE() << "a job began on a lost device";
  } catch (const Error& error) {
    EXPECT_STREQ(error.code(), "ERR_NN_DEVICE_FAILED");
    EXPECT_NE(std::string(error.what()).find("lost by an earlier failure"), std::string::npos);
  }
  DeviceHealth::setCurrent(nullptr);
  other.reset();
  EXPECT_TRUE(std::isfinite(lossOf(first, *one, net, 2)));
}

TEST_F(DeviceTest, TellingOfOneLeavesTheThreadsDeviceAsItWas) {
  CudaDevice second({.ordinal = 1});
  EXPECT_EQ(second.info().name, "cuda:1");
  int current = -1;
  ASSERT_EQ(cudaGetDevice(&current), cudaSuccess);
  EXPECT_EQ(current, 0);
}

// The provider is made once for a process: each case has one of its own.
void inChild(const std::function<bool()>& check) {
  // Other tests may have left threads behind: started anew rather than forked.
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(std::_Exit(check() ? 0 : 1), ::testing::ExitedWithCode(0), "");
}

TEST(DeviceProviderTest, SaysWhyThereIsNoGpu) {
  struct Case {
    const char* text;
    void (*change)(emulation::Settings&);
  };
  const Case cases[] = {
      {"there is no NVIDIA driver", [](emulation::Settings& s) { s.driver = 0; }},
      {"it offers CUDA 12.4", [](emulation::Settings& s) { s.driver = 12040; }},
      {"CUDA 13.0 is needed", [](emulation::Settings& s) { s.driver = 12080; }},
      {"the NVIDIA driver sees no GPU", [](emulation::Settings& s) { s.devices = 0; }},
      {"has compute capability 7.5; 8.0 or more is needed",
       [](emulation::Settings& s) { s.computeMajor = 7, s.computeMinor = 5; }},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.text);
    inChild([&] {
      emulation::Settings settings;
      each.change(settings);
      emulation::reset(settings);
      DeviceProvider* provider = neuronodeDeviceLibrary(kDeviceLibraryBuild);
      const std::vector<MissingDevice> missing = provider->missing();
      return provider->devices().empty() && missing.size() == 1 &&
             missing[0].code == "ERR_NN_DEVICE_UNAVAILABLE" &&
             missing[0].reason.find(each.text) != std::string::npos;
    });
  }
}

TEST(DeviceProviderTest, RefusesAnotherBuild) {
  EXPECT_EQ(neuronodeDeviceLibrary("neuronode 0.0.1, interface 0"), nullptr);
}

TEST(DeviceProviderTest, OffersALostDeviceNoMore) {
  inChild([] {
    resetTo(2);
    DeviceProvider* provider = neuronodeDeviceLibrary(kDeviceLibraryBuild);
    if (provider->devices().size() != 2 || !provider->missing().empty()) return false;
    Device* lost = provider->devices()[1];
    lost->beginJob(1);
    emulation::failWork(1);
    if (codeOf([&] { lost->backend().allocate(100); }) != "ERR_NN_DEVICE_FAILED") return false;
    const std::vector<MissingDevice> missing = provider->missing();
    return provider->devices().size() == 1 && provider->devices()[0]->name() == "cuda:0" &&
           missing.size() == 1 && missing[0].name == "cuda:1" &&
           missing[0].code == "ERR_NN_DEVICE_FAILED";
  });
}

}  // namespace
}  // namespace neuronode::cuda::testing
