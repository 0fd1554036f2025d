// Fused optimizer passes; see cpu/optimizer/optimizer.h.
#include "cpu/optimizer/optimizer.h"

#include <type_traits>
#include <utility>

#include "cpu/parallel.h"

namespace neuronode::NN_ISA {
namespace {

/// One element's step. Compilers vectorise loops over elements only if the array is not the loop's
/// own.
template <class Form, class First, size_t... kState, class... State>
[[gnu::always_inline]] inline void updateOne(std::index_sequence<kState...>, float& p, float g,
                                             const typename Form::Options::Scalars& scalars,
                                             First isFirst, State&... states) {
  float state[] = {states..., 0.0f};
  Form::element(p, g, state, scalars, isFirst);
  ((states = state[kState]), ...);
}

/// kState: 0 .. Form::kStates - 1. isFirst is std::true_type or false_type where it matters.
template <class Form, class First, size_t... kState>
void updateAll(const OptimizerUpdate& update, const typename Form::Options& options, First isFirst,
               std::index_sequence<kState...> indices) {
  float* p = update.param;
  const float* g = update.grad;
  parallelPieces(update.count,
                 [=, states = update.states, scalars = options.scalars(update.step, update.lr)](
                     int64_t begin, int64_t end) {
                   const auto s = scalars;
#pragma omp simd
                   for (int64_t i = begin; i < end; ++i) {
                     updateOne<Form>(indices, p[i], g[i], s, isFirst, states[kState][i]...);
                   }
                 });
}

template <class Options>
void step(const OptimizerUpdate& update, const Options& options) {
  options.visit([&]<class Form>(Form) {
    constexpr auto kStates = std::make_index_sequence<Form::kStates>();
    if (Form::kFirstStepMakesStates && update.step == 1) {
      updateAll<Form>(update, options, std::true_type(), kStates);
    } else {
      updateAll<Form>(update, options, std::false_type(), kStates);
    }
  });
}

}  // namespace

extern const OptimizerKernels optimizerTable;
#define NN_OPTIMIZER_ROW(Op, opName, Options) step<math::Options>,
const OptimizerKernels optimizerTable = {NN_OPTIMIZERS(NN_OPTIMIZER_ROW)};
#undef NN_OPTIMIZER_ROW

}  // namespace neuronode::NN_ISA
