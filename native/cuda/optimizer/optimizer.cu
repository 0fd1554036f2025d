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

template <int kStates>
NN_DEVICE bool areAligned(const UpdateTensor& t) {
  const auto at = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); };
  // bf16 operands are read and written eight bytes at a time.
  uintptr_t places = at(t.param) | at(t.shadow) * 2;
  NN_UNROLL
  for (int k = 0; k < kStates; ++k) places |= at(t.states[k]);
  places |= t.gradStorage == Storage::F32 ? at(t.grad) : at(t.grad) * 2;
  return places % 16 == 0;
}

template <int N>
NN_DEVICE void loadGrad(const UpdateTensor& t, int64_t at, float (&grad)[N]) {
  if (t.gradStorage == Storage::F32) {
    load<N>(inGlobal(static_cast<const float*>(t.grad)) + at, grad);
  } else {
    load<N>(inGlobal(static_cast<const uint16_t*>(t.grad)) + at, grad);
  }
}

// The step of the elements of one pack.
template <class Form>
struct Elements {
  typename Form::Options::Scalars scalars;
  bool isFirst;

  template <int N>
  NN_DEVICE void run(const UpdateTensor& t, int64_t at) const {
    // One row more than needed, since there may be none.
    float param[N], grad[N], states[Form::kStates + 1][N];
    load<N>(inGlobal(t.param) + at, param);
    loadGrad<N>(t, at, grad);
    if (!Form::kFirstStepMakesStates || !isFirst) {
      NN_UNROLL
      for (int k = 0; k < Form::kStates; ++k) load<N>(inGlobal(t.states[k]) + at, states[k]);
    }
    NN_UNROLL
    for (int j = 0; j < N; ++j) {
      float state[Form::kStates + 1];
      NN_UNROLL
      for (int k = 0; k < Form::kStates; ++k) state[k] = states[k][j];
      Form::element(param[j], grad[j], state, scalars, isFirst);
      NN_UNROLL
      for (int k = 0; k < Form::kStates; ++k) states[k][j] = state[k];
    }
    store<N>(inGlobal(t.param) + at, param);
    NN_UNROLL
    for (int k = 0; k < Form::kStates; ++k) store<N>(inGlobal(t.states[k]) + at, states[k]);
    if (t.shadow != nullptr) store<N>(inGlobal(t.shadow) + at, param);
  }
};

template <class Form>
struct Update {
  static constexpr int kThreads = kUpdateThreads, kPhases = 2;
  // Named, since the compiler would otherwise rather spill a register than hold fewer blocks.
  static constexpr int kFewestBlocks = Form::kStates < 3 ? 3 : 2;
  struct Shared {
    typename Form::Options::Scalars scalars;
    bool isFirst;
  };
  UpdateTable table;
  typename Form::Options options;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    if constexpr (kPhase == 0) {
      if (block.thread != 0) return;
      shared.scalars = options.scalars(*table.step, *table.lr);
      shared.isFirst = *table.step == 1;
    } else {
      walkChunk(block, Elements<Form>{shared.scalars, shared.isFirst});
    }
  }

  NN_DEVICE void walkChunk(const Block& block, const Elements<Form>& elements) const {
    const UpdateChunk chunk = table.chunks[block.index];
    const UpdateTensor tensor = table.tensors[chunk.tensor];
    const int64_t left = tensor.count - chunk.begin;
    const int count = static_cast<int>(left < kUpdateChunk ? left : kUpdateChunk);
    const int packs = areAligned<Form::kStates>(tensor) ? count / kUpdatePack : 0;
    for (int i = block.thread; i < packs; i += kUpdateThreads) {
      elements.template run<kUpdatePack>(tensor, chunk.begin + i * kUpdatePack);
    }
    for (int i = packs * kUpdatePack + block.thread; i < count; i += kUpdateThreads) {
      elements.template run<1>(tensor, chunk.begin + i);
    }
  }
};

template <class Options>
void launch(cudaStream_t stream, const char* name, const UpdateTable& table,
            const Options& options) {
  options.visit([&](auto form) {
    launchBlocks(stream, name, table.chunkCount, Update<decltype(form)>{table, options});
  });
}

#define NN_OPTIMIZER_ROW(Op, opName, Options)                       \
  void optimizerStep(cudaStream_t stream, const UpdateTable& table, \
                     const math::Options& options) {                \
    launch(stream, #opName, table, options);                        \
  }
NN_OPTIMIZERS(NN_OPTIMIZER_ROW)
#undef NN_OPTIMIZER_ROW

}  // namespace neuronode::cuda
