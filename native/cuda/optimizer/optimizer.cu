// Optimizer steps: one pass over parameters, gradients and state, all tensors in one launch.
//
// Policy: a block walks one chunk of one tensor. Its first thread works out the step's scalars in
// f64 from the step number and the learning rate in device memory, so that a captured graph needs
// no new arguments.
#include "kernels/access.h"
#include "optimizer/optimizer.h"

namespace neuronode::cuda {

std::vector<UpdateChunk> updateChunks(std::span<const UpdateTensor> tensors) {
  std::vector<UpdateChunk> chunks;
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (int64_t begin = 0; begin < tensors[i].count; begin += kUpdateChunk) {
      chunks.push_back({static_cast<int32_t>(i), 0, begin});
    }
  }
  return chunks;
}

inline constexpr int kUpdateThreads = 256;
inline constexpr int kUpdatePack = 4;

NN_DEVICE bool areAligned(const UpdateTensor& t) {
  const auto at = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); };
  // bf16 operands are read and written eight bytes at a time.
  const uintptr_t words = at(t.param) | at(t.first) | at(t.second);
  const uintptr_t halves = at(t.shadow) * 2;
  const uintptr_t grad = t.gradStorage == Storage::F32 ? at(t.grad) : at(t.grad) * 2;
  return (words | halves | grad) % 16 == 0;
}

template <int N>
NN_DEVICE void loadGrad(const UpdateTensor& t, int64_t at, float (&grad)[N]) {
  if (t.gradStorage == Storage::F32) {
    load<N>(inGlobal(static_cast<const float*>(t.grad)) + at, grad);
  } else {
    load<N>(inGlobal(static_cast<const uint16_t*>(t.grad)) + at, grad);
  }
}

// Calls element.run<N>(tensor, at) for each pack of a block's chunk.
template <class Element>
NN_DEVICE void walkChunk(const UpdateTable& table, const Block& block, const Element& element) {
  const UpdateChunk chunk = table.chunks[block.index];
  const UpdateTensor tensor = table.tensors[chunk.tensor];
  const int64_t left = tensor.count - chunk.begin;
  const int count = static_cast<int>(left < kUpdateChunk ? left : kUpdateChunk);
  const int packs = areAligned(tensor) ? count / kUpdatePack : 0;
  for (int i = block.thread; i < packs; i += kUpdateThreads) {
    element.template run<kUpdatePack>(tensor, chunk.begin + i * kUpdatePack);
  }
  for (int i = packs * kUpdatePack + block.thread; i < count; i += kUpdateThreads) {
    element.template run<1>(tensor, chunk.begin + i);
  }
}

template <math::Decay kDecay>
struct AdamElements {
  math::AdamScalars scalars;

  template <int N>
  NN_DEVICE void run(const UpdateTensor& t, int64_t at) const {
    float param[N], grad[N], first[N], second[N];
    load<N>(inGlobal(t.param) + at, param);
    loadGrad<N>(t, at, grad);
    load<N>(inGlobal(t.first) + at, first);
    load<N>(inGlobal(t.second) + at, second);
    NN_UNROLL
    for (int j = 0; j < N; ++j) {
      math::adamElement<kDecay>(param[j], grad[j], first[j], second[j], scalars);
    }
    store<N>(inGlobal(t.param) + at, param);
    store<N>(inGlobal(t.first) + at, first);
    store<N>(inGlobal(t.second) + at, second);
    if (t.shadow != nullptr) store<N>(inGlobal(t.shadow) + at, param);
  }
};

template <math::Decay kDecay>
struct AdamUpdate {
  static constexpr int kThreads = kUpdateThreads, kPhases = 2;
  struct Shared {
    math::AdamScalars scalars;
  };
  UpdateTable table;
  AdamOptions options;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    if constexpr (kPhase == 0) {
      if (block.thread == 0) shared.scalars = math::adamScalars(options, *table.step, *table.lr);
    } else {
      walkChunk(table, block, AdamElements<kDecay>{shared.scalars});
    }
  }
};

template <bool kMomentum>
struct SgdElements {
  math::SgdScalars scalars;
  bool decay, nesterov, firstStep;

  template <int N>
  NN_DEVICE void run(const UpdateTensor& t, int64_t at) const {
    float param[N], grad[N];
    load<N>(inGlobal(t.param) + at, param);
    loadGrad<N>(t, at, grad);
    if (decay) {
      NN_UNROLL
      for (int j = 0; j < N; ++j) grad[j] = math::sgdGradient(param[j], grad[j], scalars);
    }
    if constexpr (kMomentum) {
      float buffer[N];
      if (!firstStep) load<N>(inGlobal(t.first) + at, buffer);
      NN_UNROLL
      for (int j = 0; j < N; ++j) {
        buffer[j] = firstStep ? grad[j] : math::sgdMomentum(buffer[j], grad[j], scalars);
        grad[j] = nesterov ? math::sgdNesterov(buffer[j], grad[j], scalars) : buffer[j];
      }
      store<N>(inGlobal(t.first) + at, buffer);
    }
    NN_UNROLL
    for (int j = 0; j < N; ++j) param[j] += scalars.negativeLr * grad[j];
    store<N>(inGlobal(t.param) + at, param);
    if (t.shadow != nullptr) store<N>(inGlobal(t.shadow) + at, param);
  }
};

template <bool kMomentum>
struct SgdUpdate {
  static constexpr int kThreads = kUpdateThreads, kPhases = 2;
  struct Shared {
    math::SgdScalars scalars;
    bool firstStep;
  };
  UpdateTable table;
  SgdOptions options;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    if constexpr (kPhase == 0) {
      if (block.thread != 0) return;
      shared.scalars = math::sgdScalars(options, *table.lr);
      shared.firstStep = *table.step == 1;
    } else {
      walkChunk(table, block,
                SgdElements<kMomentum>{shared.scalars, options.weightDecay != 0.0, options.nesterov,
                                       shared.firstStep});
    }
  }
};

void adamStep(cudaStream_t stream, const UpdateTable& table, const AdamOptions& options) {
  const auto launch = [&](const auto& body) {
    launchBlocks(stream, "adamStep", table.chunkCount, body);
  };
  if (options.weightDecay == 0.0) {
    launch(AdamUpdate<math::Decay::None>{table, options});
  } else if (options.decoupled) {
    launch(AdamUpdate<math::Decay::Decoupled>{table, options});
  } else {
    launch(AdamUpdate<math::Decay::Coupled>{table, options});
  }
}

void sgdStep(cudaStream_t stream, const UpdateTable& table, const SgdOptions& options) {
  if (options.momentum == 0.0) {
    launchBlocks(stream, "sgdStep", table.chunkCount, SgdUpdate<false>{table, options});
  } else {
    launchBlocks(stream, "sgdStep", table.chunkCount, SgdUpdate<true>{table, options});
  }
}

}  // namespace neuronode::cuda
