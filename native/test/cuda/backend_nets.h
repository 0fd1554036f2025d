// What the backend's tests share: networks as finished graphs, gradients and optimizer steps
// included, the GPU, and programs on either device.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_backend.h"
#include "cuda_backend.h"
#include "emulation/emulation.h"
#include "error.h"
#include "graph/program.h"

namespace neuronode::cuda::testing {

// The GPU, emulated or real, that the test's own thread computes on.
class Gpu {
 public:
  explicit Gpu(const emulation::Settings& settings = emulation::Settings()) {
    emulation::reset(settings);
    DeviceHealth::setCurrent(&health_);
    context_ = std::make_unique<Context>(readFacts(0), health_);
    backend_ = std::make_unique<CudaBackend>(*context_);
  }
  ~Gpu() {
    backend_.reset();
    context_.reset();
    DeviceHealth::setCurrent(nullptr);
    const emulation::Live live = emulation::live();
    EXPECT_TRUE(live.none()) << "left behind: " << live.text();
    for (const std::string& text : emulation::violations()) ADD_FAILURE() << text;
  }
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  CudaBackend& backend() { return *backend_; }
  Context& context() { return *context_; }
  DeviceHealth& health() { return health_; }

 private:
  DeviceHealth health_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<CudaBackend> backend_;
};

inline CpuBackend& cpu() {
  static CpuBackend backend;
  return backend;
}

inline const std::atomic<bool> kNotCancelled = false;

inline std::unique_ptr<Program> compile(const GraphSpec& graph, Backend& backend,
                                        const KernelOptions& options = {},
                                        const Program* share = nullptr) {
  return Program::compile(graph, backend, options, share, kNotCancelled);
}

template <class T>
HostTensor tensor(DType dtype, Shape shape, const std::vector<T>& values) {
  HostTensor result{dtype, std::move(shape), std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) std::memcpy(result.bytes.data(), values.data(), result.bytes.size());
  return result;
}

template <class T>
std::vector<T> valuesOf(const HostTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// Random, and the same on every platform: floats in [-scale, scale], indices and bytes below
// `limit`.
inline HostTensor randomTensor(DType dtype, const Shape& shape, uint32_t seed, float scale = 1,
                               uint32_t limit = 256) {
  std::mt19937 generator(seed);
  const auto count = static_cast<size_t>(elementCount(shape));
  const auto fill = [&](auto values, auto next) {
    for (auto& value : values) value = next();
    return tensor(dtype, shape, values);
  };
  switch (dtype) {
    case DType::F32:
      return fill(std::vector<float>(count), [&] {
        return scale * (static_cast<float>(generator() >> 8) / 8388607.5f - 1.0f);
      });
    case DType::U8:
      return fill(std::vector<uint8_t>(count),
                  [&] { return static_cast<uint8_t>(generator() % limit); });
    default:
      return fill(std::vector<int32_t>(count),
                  [&] { return static_cast<int32_t>(generator() % limit); });
  }
}

inline HostTensor scalar(int32_t value) {
  return tensor(DType::I32, {}, std::vector<int32_t>{value});
}
inline HostTensor scalar(double value) {
  return tensor(DType::F64, {}, std::vector<double>{value});
}

// The largest difference, relative to the largest magnitude of `expected`.
inline double difference(const HostTensor& actual, const HostTensor& expected) {
  const std::vector<float> a = valuesOf<float>(actual), b = valuesOf<float>(expected);
  if (a.size() != b.size()) return INFINITY;
  double most = 0, largest = 1e-30;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    const double off = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    if (!(off <= most)) most = std::isnan(off) ? INFINITY : off;
  }
  return most / largest;
}

// A chain of layers, of which train() makes a training step.
class Net {
 public:
  // Images in bytes.
  Net(int64_t batch, int64_t channels, int64_t size);

  Net& conv(int64_t channels, int64_t kernel, double stride = 1, double padding = 0,
            double groups = 1);
  Net& relu();
  Net& sigmoid();
  Net& maxPool(double kernel, double stride, double padding = 0);
  Net& avgPool(double kernel, double stride);
  Net& adaptiveAvgPool(int64_t size);
  Net& dropout(double p);
  Net& flatten();
  Net& linear(int64_t features);

  enum class Optimizer { Adam, Sgd };
  // Loss, gradients and steps; outputs loss and correct.
  Net& train(Optimizer optimizer = Optimizer::Adam);
  // Softmax of what there is, as output `probabilities`.
  Net& predict();

  GraphSpec graph;
  // Random inputs of the step with that number; the same whenever asked.
  HostTensors inputs(int step) const;
  // Writes random parameters, such that activations keep their size from layer to layer.
  void initialize(Program& program) const;
  // Parameters and state.
  std::vector<std::string> names() const;

 private:
  struct Layer {
    Op op = Op::Relu;
    int x = -1, y = -1;
    int weight = -1, bias = -1, extra = -1;  // extra: indices, or the dropout's step
    Attrs attrs = {};
  };

  int value(ValueKind kind, Shape shape, std::string name = "", DType dtype = DType::F32);
  int intermediate(const Shape& shape) { return value(ValueKind::Intermediate, shape); }
  const Shape& shapeOf(int value) const { return graph.values[static_cast<size_t>(value)].shape; }
  void node(Op op, std::vector<int> inputs, std::vector<int> outputs, const Attrs& attrs,
            Phase phase);
  Net& add(Layer layer, Shape shape);
  int step();
  int gradientOf(const Layer& layer, int gy, bool wantsInput, Optimizer optimizer);
  void update(int parameter, int gradient, Optimizer optimizer);

  std::vector<Layer> layers_;
  int64_t batch_;
  int current_, step_ = -1, lr_ = -1;
};

// LeNet's and AlexNet's shape, small enough for an emulation.
Net smallLeNet(int64_t batch);
Net smallAlexNet(int64_t batch);

}  // namespace neuronode::cuda::testing
