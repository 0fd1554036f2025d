// Fused optimizer passes; see cpu/optimizer/optimizer.h.
#include "cpu/optimizer/optimizer.h"

#include "cpu/parallel.h"

namespace neuronode::NN_ISA {
namespace {

template <math::Decay kDecay>
void adamLoop(float* p, const float* g, float* m, float* v, int64_t n,
              const math::AdamScalars& scalars) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
    const math::AdamScalars s = scalars;
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) math::adamElement<kDecay>(p[i], g[i], m[i], v[i], s);
  });
}

void adamStep(float* p, const float* g, float* m, float* v, int64_t n, int64_t step, double lr,
              const AdamOptions& options) {
  const math::AdamScalars scalars = math::adamScalars(options, step, lr);
  if (options.weightDecay == 0.0) {
    adamLoop<math::Decay::None>(p, g, m, v, n, scalars);
  } else if (options.decoupled) {
    adamLoop<math::Decay::Decoupled>(p, g, m, v, n, scalars);
  } else {
    adamLoop<math::Decay::Coupled>(p, g, m, v, n, scalars);
  }
}

/// direction(i, gradient) gives what p[i] moves along and may update momentum state.
template <class Direction>
void sgdLoop(float* p, const float* g, int64_t n, bool decay, const math::SgdScalars& scalars,
             Direction direction) {
  parallelPieces(n, [=](int64_t begin, int64_t end) {
    const math::SgdScalars s = scalars;
    if (decay) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        p[i] += s.negativeLr * direction(i, math::sgdGradient(p[i], g[i], s));
      }
    } else {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) p[i] += s.negativeLr * direction(i, g[i]);
    }
  });
}

void sgdStep(float* p, const float* g, float* momentumBuffer, int64_t n, int64_t step, double lr,
             const SgdOptions& options) {
  const math::SgdScalars s = math::sgdScalars(options, lr);
  const bool decay = options.weightDecay != 0.0;
  float* buffer = momentumBuffer;
  if (options.momentum == 0.0) {
    sgdLoop(p, g, n, decay, s, [](int64_t, float gradient) { return gradient; });
  } else if (step == 1) {
    if (options.nesterov) {
      sgdLoop(p, g, n, decay, s, [=](int64_t i, float gradient) {
        buffer[i] = gradient;
        return math::sgdNesterov(gradient, gradient, s);
      });
    } else {
      sgdLoop(p, g, n, decay, s, [=](int64_t i, float gradient) { return buffer[i] = gradient; });
    }
  } else if (options.nesterov) {
    sgdLoop(p, g, n, decay, s, [=](int64_t i, float gradient) {
      buffer[i] = math::sgdMomentum(buffer[i], gradient, s);
      return math::sgdNesterov(buffer[i], gradient, s);
    });
  } else {
    sgdLoop(p, g, n, decay, s, [=](int64_t i, float gradient) {
      return buffer[i] = math::sgdMomentum(buffer[i], gradient, s);
    });
  }
}

}  // namespace

extern const OptimizerKernels optimizerTable;
const OptimizerKernels optimizerTable = {adamStep, sgdStep};

}  // namespace neuronode::NN_ISA
