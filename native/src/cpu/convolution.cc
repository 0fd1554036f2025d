// Chooses a convolution's algorithm: as asked for, or by timing each that fits once.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string_view>

#include "cpu/conv_direct.h"
#include "cpu/conv_few_channels.h"
#include "cpu/conv_winograd.h"

namespace neuronode {

namespace {

std::unique_ptr<Kernel> make(const KernelRequest& request, ConvKernel choice) {
  switch (choice) {
    case ConvKernel::Winograd:
      return makeWinogradConvolution(request);
    case ConvKernel::FewChannels:
      return makeFewChannelsConvolution(request);
    case ConvKernel::Library:
      break;
  }
  return makeDirectConvolution(request);
}

// The request with fewer images. Times scale with them, so that timing needs no full batch.
class Probe {
 public:
  explicit Probe(const KernelRequest& request)
      : inputs_(request.inputs.begin(), request.inputs.end()),
        outputs_(request.outputs.begin(), request.outputs.end()),
        request_{request.backend, request.node, inputs_, outputs_, request.options} {
    const Op op = request.node.spec.op;
    shrink(inputs_[0]);
    if (op == Op::Conv2dWeightGrad) shrink(inputs_[1]);
    if (op == Op::Conv2dInputGrad && inputs_.size() == 3) shrink(inputs_[2]);
    if (op != Op::Conv2dWeightGrad) shrink(outputs_[0]);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // The best of a few runs, in milliseconds; infinite where there is no memory for it.
  double time(ConvKernel choice) const {
    try {
      return timeWithMemory(choice);
    } catch (const Error& error) {
      if (error.code() != std::string_view(errc::kOutOfMemory)) throw;
      return std::numeric_limits<double>::infinity();
    }
  }

 private:
  double timeWithMemory(ConvKernel choice) const {
    const std::unique_ptr<Kernel> kernel = make(request_, choice);
    std::vector<std::unique_ptr<Buffer>> buffers;
    const std::vector<void*> in = allocate(inputs_, kernel->inputLayouts, buffers);
    const std::vector<void*> out = allocate(outputs_, kernel->outputLayouts, buffers);
    buffers.push_back(request_.backend.allocate(kernel->workspaceBytes));
    void* workspace = buffers.back()->data();
    kernel->run(in, out, workspace);  // warms up
    constexpr int kRuns = 3;
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kRuns; ++i) {
      const auto start = std::chrono::steady_clock::now();
      kernel->run(in, out, workspace);
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - start;
      best = std::min(best, took.count());
    }
    return best;
  }

  static void shrink(TensorDesc& activation) {
    constexpr int64_t kImages = 16;
    activation.shape[0] = std::min(activation.shape[0], kImages);
  }

  std::vector<void*> allocate(const std::vector<TensorDesc>& descs,
                              const std::vector<Layout>& layouts,
                              std::vector<std::unique_ptr<Buffer>>& buffers) const {
    std::vector<void*> pointers;
    for (size_t i = 0; i < descs.size(); ++i) {
      TensorDesc desc = descs[i];
      desc.layout = layouts[i];
      buffers.push_back(request_.backend.allocate(request_.backend.bytes(desc)));
      pointers.push_back(buffers.back()->data());
    }
    return pointers;
  }

  std::vector<TensorDesc> inputs_, outputs_;
  KernelRequest request_;
};

// Everything that a time depends on.
std::string geometryKey(const KernelRequest& request) {
  std::string key = opName(request.node.spec.op);
  for (const TensorDesc& desc : request.inputs) key += shapeString(desc.shape);
  for (const TensorDesc& desc : request.outputs) key += shapeString(desc.shape);
  for (const char* name : {"stride", "padding", "dilation"}) {
    const Attrs::Pair pair = request.pair(name);
    key += shapeString({pair.h, pair.w});
  }
  return key + " " + std::to_string(omp_get_max_threads());
}

ConvKernel fastest(const KernelRequest& request, const std::vector<ConvKernel>& candidates) {
  std::map<std::string, ConvKernel>& timed = request.backend.timedConvolutions();
  const std::string key = geometryKey(request);
  auto found = timed.find(key);
  if (found == timed.end()) {
    const Probe probe(request);
    ConvKernel best = candidates[0];
    double bestTime = std::numeric_limits<double>::infinity();
    for (ConvKernel candidate : candidates) {
      const double time = probe.time(candidate);
      if (time < bestTime) best = candidate, bestTime = time;
    }
    found = timed.emplace(key, best).first;
  }
  return found->second;
}

ConvKernel choose(const KernelRequest& request) {
  const WinogradFit fit = winogradFit(request);
  std::vector<ConvKernel> candidates{ConvKernel::Library};
  if (fewChannelsFit(request)) candidates.push_back(ConvKernel::FewChannels);
  switch (request.options.algorithm) {
    case ConvAlgorithm::Winograd:
      return fit == WinogradFit::No ? candidates.back() : ConvKernel::Winograd;
    case ConvAlgorithm::Direct:
      return candidates.back();
    case ConvAlgorithm::Auto:
      if (fit == WinogradFit::Promising) candidates.push_back(ConvKernel::Winograd);
      break;
  }
  return candidates.size() == 1 ? candidates[0] : fastest(request, candidates);
}

}  // namespace

std::unique_ptr<Kernel> makeConvolution(const KernelRequest& request) {
  return make(request, choose(request));
}

}  // namespace neuronode
