// Chooses a convolution's algorithm: as asked for, by timing each that fits once, or, where runs
// must repeat bit for bit, by shape.
//
// Policy: whichever is chosen, its bits do not depend on the number of threads.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <string_view>

#include "cpu/convolution/conv_depthwise.h"
#include "cpu/convolution/conv_direct.h"
#include "cpu/convolution/conv_tensors.h"
#include "cpu/convolution/conv_weight_grad.h"
#include "cpu/convolution/winograd/conv_winograd.h"

namespace neuronode {

namespace {

std::unique_ptr<Kernel> make(const KernelRequest& request, ConvKernel choice) {
  switch (choice) {
    case ConvKernel::Winograd:
      return makeWinogradConvolution(request);
    case ConvKernel::FewChannels:
      return makeFewChannelsWeightGrad(request);
    case ConvKernel::Blocked:
      return makeBlockedWeightGrad(request);
    case ConvKernel::Depthwise:
      return makeDepthwiseConvolution(request);
    case ConvKernel::Direct:
      break;
  }
  return makeDirectConvolution(request);
}

// Times candidates on the request with fewer images, all of them by turns, so that a change of the
// machine's speed is no candidate's.
class Probe {
 public:
  explicit Probe(const KernelRequest& request) : fewer_(request, imagesOf(convShape(request))) {}

  void add(ConvKernel choice) {
    try {
      candidates_.push_back(prepare(choice));
    } catch (const Error& error) {  // where there is no memory for it, another is taken
      if (error.code() != std::string_view(errc::kOutOfMemory)) throw;
    }
  }

  // The candidate whose best run was the shortest; of equal ones, and of none, the earlier.
  ConvKernel fastest(ConvKernel otherwise) {
    constexpr int kRuns = 3;
    for (int i = -1; i < kRuns; ++i) {  // the first warms up
      for (Candidate& candidate : candidates_) {
        const auto start = std::chrono::steady_clock::now();
        candidate.kernel->run(candidate.in, candidate.out, candidate.workspace);
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - start;
        if (i >= 0) candidate.best = std::min(candidate.best, took.count());
      }
    }
    double best = std::numeric_limits<double>::infinity();
    for (const Candidate& candidate : candidates_) {
      if (candidate.best < best) otherwise = candidate.choice, best = candidate.best;
    }
    return otherwise;
  }

 private:
  struct Candidate {
    ConvKernel choice;
    std::unique_ptr<Kernel> kernel;
    std::vector<std::unique_ptr<Buffer>> buffers;
    std::vector<void*> in, out;
    void* workspace = nullptr;
    double best = std::numeric_limits<double>::infinity();
  };

  // Times grow with the images, but for what a kernel does to the weights first: enough of them,
  // where they are small, that it weighs no more than in a batch.
  static int64_t imagesOf(const ConvShape& shape) {
    constexpr int64_t kImages = 16, kPixels = 4 << 10;
    return std::max(kImages, kPixels / (shape.outH * shape.outW));
  }

  Candidate prepare(ConvKernel choice) const {
    const KernelRequest& request = fewer_.request();
    Candidate candidate{choice, make(request, choice), {}, {}, {}};
    const Kernel& kernel = *candidate.kernel;
    candidate.in = allocate(request.inputs, kernel.inputLayouts, candidate.buffers);
    candidate.out = allocate(request.outputs, kernel.outputLayouts, candidate.buffers);
    candidate.buffers.push_back(request.backend.allocate(kernel.workspaceBytes));
    candidate.workspace = candidate.buffers.back()->data();
    return candidate;
  }

  std::vector<void*> allocate(std::span<const TensorDesc> descs, const std::vector<Layout>& layouts,
                              std::vector<std::unique_ptr<Buffer>>& buffers) const {
    std::vector<void*> pointers;
    for (size_t i = 0; i < descs.size(); ++i) {
      TensorDesc desc = descs[i];
      desc.layout = layouts[i];
      CpuBackend& backend = fewer_.request().backend;
      buffers.push_back(backend.allocate(backend.bytes(desc)));
      pointers.push_back(buffers.back()->data());
    }
    return pointers;
  }

  FewerImages fewer_;
  std::vector<Candidate> candidates_;
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
    Probe probe(request);
    for (ConvKernel candidate : candidates) probe.add(candidate);
    found = timed.emplace(key, probe.fastest(candidates[0])).first;
  }
  return found->second;
}

// oneDNN's JIT passes forward somewhat faster than ours. Its gradients are faster for some 3x3
// layers, and its weight gradient thousands of times slower for other kernels and tiny images.
ConvKernel chooseDepthwise(const KernelRequest& request) {
  if (request.node.spec.op != Op::Conv2d || !directHasDepthwise(request)) {
    return ConvKernel::Depthwise;
  }
  const bool mayTime =
      request.options.algorithm == ConvAlgorithm::Auto && !request.options.deterministic;
  return mayTime ? fastest(request, {ConvKernel::Direct, ConvKernel::Depthwise})
                 : ConvKernel::Direct;
}

ConvKernel choose(const KernelRequest& request) {
  if (depthwiseFits(request)) return chooseDepthwise(request);
  const WinogradFit fit = winogradFit(request);
  const bool fewChannels = fewChannelsFit(request);
  const bool blocked = !fewChannels && blockedWeightGradFits(request);
  std::vector<ConvKernel> candidates{blocked ? ConvKernel::Blocked : ConvKernel::Direct};
  if (fewChannels) candidates.push_back(ConvKernel::FewChannels);
  switch (request.options.algorithm) {
    case ConvAlgorithm::Winograd:
      return fit == WinogradFit::No ? candidates.back() : ConvKernel::Winograd;
    case ConvAlgorithm::Direct:
      return candidates.back();
    case ConvAlgorithm::Auto:
      if (fit == WinogradFit::Promising) candidates.push_back(ConvKernel::Winograd);
      if (request.options.deterministic) return candidates.back();  // times differ from run to run
      break;
  }
  return candidates.size() == 1 ? candidates[0] : fastest(request, candidates);
}

}  // namespace

std::unique_ptr<Kernel> makeConvolution(const KernelRequest& request) {
  return make(request, choose(request));
}

}  // namespace neuronode
