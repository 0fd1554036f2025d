// Times the Winograd convolutions against oneDNN's direct ones on AlexNet's layers, interleaved in
// one run so that both see the same state of the machine.
//
// Usage: winograd_bench [batch = 128] [repetitions = 7]
// Prints medians in milliseconds, their ratio, effective GFLOP/s (of the direct method's
// arithmetic), and the GFLOP/s that the products inside reach on their own.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "cpu/convolution/winograd/winograd.h"
#include "cpu/onednn.h"

namespace neuronode {
namespace {

using dnnl::memory;

struct Layer {
  const char* name;
  WinogradShape shape;
};

struct Free {
  void operator()(float* memory) const { std::free(memory); }
};
using Floats = std::unique_ptr<float, Free>;

Floats allocate(std::size_t count) {
  Floats floats(
      static_cast<float*>(std::aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64)));
  static std::minstd_rand random;
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (std::size_t i = 0; i < count; ++i) floats.get()[i] = uniform(random);
  return floats;
}

double milliseconds(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

double median(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

// oneDNN's direct primitives for one layer, in the layouts that they prefer.
class Direct {
 public:
  Direct(const dnnl::engine& engine, const WinogradShape& s) : engine_(engine), stream_(engine) {
    const onednn::ConvGeometry geometry{{1, 1}, {0, 0}, {s.padH, s.padW}};
    const auto any = [](memory::dims dims) {
      return memory::desc(dims, memory::data_type::f32, memory::format_tag::any);
    };
    const memory::desc x = any({s.n, s.c, s.h, s.w});
    const memory::desc w = any({s.k, s.c, s.kernel, s.kernel});
    const memory::desc bias({s.k}, memory::data_type::f32, memory::format_tag::x);
    const memory::desc y = any({s.n, s.k, s.outputH(), s.outputW()});

    dnnl::primitive_attr attributes = onednn::userScratchpad();
    attributes.set_post_ops(onednn::reluAfter());
    const auto forward = onednn::convForward(engine, dnnl::prop_kind::forward_training, x, w, bias,
                                             y, geometry, attributes);
    forward_ = dnnl::convolution_forward(forward);
    forwardMemory_ = {{DNNL_ARG_SRC, make(forward.src_desc())},
                      {DNNL_ARG_WEIGHTS, make(forward.weights_desc())},
                      {DNNL_ARG_BIAS, make(bias)},
                      {DNNL_ARG_DST, make(forward.dst_desc())},
                      {DNNL_ARG_SCRATCHPAD, make(forward.scratchpad_desc())}};

    const auto data = onednn::convBackwardData(engine, x, w, y, geometry, forward);
    data_ = dnnl::convolution_backward_data(data);
    dataMemory_ = {{DNNL_ARG_DIFF_SRC, make(data.diff_src_desc())},
                   {DNNL_ARG_WEIGHTS, make(data.weights_desc())},
                   {DNNL_ARG_DIFF_DST, make(data.diff_dst_desc())},
                   {DNNL_ARG_SCRATCHPAD, make(data.scratchpad_desc())}};

    const auto weights = onednn::convBackwardWeights(engine, x, w, bias, y, geometry, forward);
    weights_ = dnnl::convolution_backward_weights(weights);
    weightsMemory_ = {{DNNL_ARG_SRC, make(weights.src_desc())},
                      {DNNL_ARG_DIFF_WEIGHTS, make(weights.diff_weights_desc())},
                      {DNNL_ARG_DIFF_BIAS, make(bias)},
                      {DNNL_ARG_DIFF_DST, make(weights.diff_dst_desc())},
                      {DNNL_ARG_SCRATCHPAD, make(weights.scratchpad_desc())}};
  }

  void forward() { run(forward_, forwardMemory_); }
  void inputGradient() { run(data_, dataMemory_); }
  void weightGradient() { run(weights_, weightsMemory_); }

 private:
  using Arguments = std::unordered_map<int, memory>;

  memory make(const memory::desc& desc) {
    storage_.push_back(allocate(desc.get_size() / sizeof(float) + 1));
    return memory(desc, engine_, storage_.back().get());
  }

  void run(const dnnl::primitive& primitive, const Arguments& arguments) {
    primitive.execute(stream_, arguments);
    stream_.wait();
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<Floats> storage_;
  dnnl::primitive forward_, data_, weights_;
  Arguments forwardMemory_, dataMemory_, weightsMemory_;
};

// GFLOP/s of all threads together in the products of the forward pass alone, on blocks of 96 tiles.
double productRate(const WinogradKernels& kernels, const WinogradShape& s) {
  constexpr int kPositions = 36, kTiles = 96, kRounds = 3;
  const int groups = std::min((s.c + kernels.lanes - 1) / kernels.lanes, 256 / kernels.lanes);
  const int panels = (s.k + kernels.panel - 1) / kernels.panel;
  const std::ptrdiff_t groupStride = (kTiles + 2) * kernels.lanes;
  const std::ptrdiff_t values = groups * groupStride;
  const std::ptrdiff_t panelFloats =
      static_cast<std::ptrdiff_t>(groups) * kernels.lanes * kernels.panel;
  const std::ptrdiff_t products = static_cast<std::ptrdiff_t>(panels) * kTiles * kernels.panel;
  const Floats v = allocate(kPositions * values), u = allocate(kPositions * panels * panelFloats);
  const Floats m = allocate(kPositions * products);
  const double time = milliseconds([&] {
#pragma omp parallel for schedule(dynamic) collapse(2)
    for (int round = 0; round < kRounds; ++round) {
      for (int p = 0; p < kPositions; ++p) {
        for (int n = 0; n < panels; ++n) {
          kernels.multiply(
              v.get() + p * values, groupStride, groups,
              u.get() + (static_cast<std::ptrdiff_t>(p) * panels + n) * panelFloats, nullptr,
              m.get() + p * products + static_cast<std::ptrdiff_t>(n) * kTiles * kernels.panel,
              kTiles, false);
        }
      }
    }
  });
  return 2.0 * kRounds * kPositions * panels * kTiles * panelFloats / time / 1e6;
}

void benchmark(const Layer& layer, int repetitions) {
  const WinogradShape& s = layer.shape;
  const WinogradKernels& kernels = winogradKernels(detectIsa());
  const WinogradConv conv(s, kernels);
  const auto blocked = [&](int channels, int h, int w) {
    return allocate(static_cast<std::size_t>(s.n) *
                    ((channels + kernels.lanes - 1) / kernels.lanes) * kernels.lanes * h * w);
  };
  const Floats x = blocked(s.c, s.h, s.w), y = blocked(s.k, s.outputH(), s.outputW());
  const Floats gx = blocked(s.c, s.h, s.w), gy = blocked(s.k, s.outputH(), s.outputW());
  const std::size_t filters = static_cast<std::size_t>(s.k) * s.c * s.kernel * s.kernel;
  const Floats w = allocate(filters), gw = allocate(filters);
  const Floats bias = allocate(s.k), gb = allocate(s.k);
  std::size_t bytes = 0;
  for (WinogradPass pass :
       {WinogradPass::Forward, WinogradPass::InputGradient, WinogradPass::WeightGradient}) {
    bytes = std::max(bytes, conv.workspaceBytes(pass));
  }
  const Floats workspace = allocate(bytes / sizeof(float));
  Direct direct(dnnl::engine(dnnl::engine::kind::cpu, 0), s);

  struct Pass {
    const char* name;
    std::function<void()> winograd, direct;
  };
  const Pass passes[] = {
      {"forward",
       [&] { conv.forward(x.get(), w.get(), bias.get(), y.get(), true, workspace.get()); },
       [&] { direct.forward(); }},
      {"gradient with respect to the input",
       [&] { conv.inputGradient(gy.get(), w.get(), gx.get(), x.get(), workspace.get()); },
       [&] { direct.inputGradient(); }},
      {"gradient with respect to the weights",
       [&] { conv.weightGradient(x.get(), gy.get(), gw.get(), gb.get(), workspace.get()); },
       [&] { direct.weightGradient(); }},
  };
  const double flop = 2.0 * s.n * s.outputH() * s.outputW() * filters;
  std::vector<double> rates;
  for (int i = 0; i < 5; ++i) rates.push_back(productRate(kernels, s));
  std::printf("%s  workspace %.1f MB  products alone %.0f GFLOP/s\n", layer.name, bytes / 1e6,
              median(rates));
  for (const Pass& pass : passes) {
    std::vector<double> winograd, reference, ratio;
    pass.winograd();
    pass.direct();
    for (int i = 0; i < repetitions; ++i) {
      winograd.push_back(milliseconds(pass.winograd));
      reference.push_back(milliseconds(pass.direct));
      ratio.push_back(reference.back() / winograd.back());
    }
    std::printf("  %-20s %8.2f ms  direct %8.2f ms  %.2fx  effective %4.0f GFLOP/s, direct %4.0f\n",
                pass.name, median(winograd), median(reference), median(ratio),
                flop / median(winograd) / 1e6, flop / median(reference) / 1e6);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace neuronode

int main(int argc, char** argv) {
  const int batch = argc > 1 ? std::atoi(argv[1]) : 128;
  const int repetitions = argc > 2 ? std::atoi(argv[2]) : 7;
  if (batch < 1 || repetitions < 1) {
    std::fprintf(stderr, "usage: winograd_bench [batch] [repetitions]\n");
    return 2;
  }
  const neuronode::Layer layers[] = {
      {"conv2  96->256 5x5 26x26", {batch, 96, 256, 26, 26, 5, 2, 2}},
      {"conv3 256->384 3x3 12x12", {batch, 256, 384, 12, 12, 3, 1, 1}},
      {"conv4 384->384 3x3 12x12", {batch, 384, 384, 12, 12, 3, 1, 1}},
      {"conv5 384->256 3x3 12x12", {batch, 384, 256, 12, 12, 3, 1, 1}},
  };
  std::printf("%s, %d threads, batch %d\n", neuronode::isaName(neuronode::detectIsa()),
              omp_get_max_threads(), batch);
  for (const neuronode::Layer& layer : layers) neuronode::benchmark(layer, repetitions);
  return 0;
}
