// Softmax along an axis and its logarithm, forward and gradient.
//
// Policy: a long row whose elements lie side by side is a block's, any other a thread's, so that
// neighbours read neighbours. Exponentials are computed twice rather than kept. The result may be
// an input.
#include "kernels/row_reduction.h"
#include "softmax/softmax.h"

namespace neuronode::cuda {

template <int kThreadCount, bool kLog>
struct SoftmaxBlocks {
  static constexpr int kThreads = kThreadCount;
  using Reduction = RowReduction<kThreads>;
  static constexpr int kPhases = Reduction::kSteps + 2;
  struct Shared : RowShared<kThreads> {
    float factor;
  };
  Floats x, y;
  int64_t columns, pitch;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t begin = block.index * pitch;
    if constexpr (kPhase < Reduction::kSteps) {
      Reduction{x, columns, begin}.template phase<kPhase>(block.thread, shared);
    } else if constexpr (kPhase == Reduction::kSteps) {
      if (block.thread != 0) return;
      shared.factor = static_cast<float>(kLog ? std::log(shared.total) : 1.0 / shared.total);
    } else {
      for (int64_t k = block.thread; k < pitch; k += kThreads) {
        float value = 0.0f;
        if (k < columns) {
          const float each = loadAt(x, begin + k);
          value = kLog ? (each - shared.rowMax) - shared.factor
                       : math::softmaxTerm(each, shared.rowMax) * shared.factor;
        }
        storeAt(y, begin + k, value);
      }
    }
  }
};

template <int kThreadCount, bool kLog>
struct SoftmaxGradBlocks {
  static constexpr int kThreads = kThreadCount;
  static constexpr int kPhases = 4;
  struct Shared {
    double sums[kThreads];
    float sum;
  };
  Floats gy, y, gx;
  int64_t columns, pitch;

  template <int kPhase>
  NN_DEVICE void phase(const Block& block, Shared& shared) const {
    const int64_t begin = block.index * pitch;
    const int thread = block.thread;
    if constexpr (kPhase == 0) {
      double sum = 0.0;
      for (int64_t k = thread; k < columns; k += kThreads) {
        sum += math::softmaxGradTerm<kLog>(loadAt(gy, begin + k), loadAt(y, begin + k));
      }
      shared.sums[thread] = sum;
    } else if constexpr (kPhase == 1) {
      combineGroup(shared.sums, thread);
    } else if constexpr (kPhase == 2) {
      if (thread == 0) shared.sum = static_cast<float>(combineGroups(shared.sums));
    } else {
      for (int64_t k = thread; k < pitch; k += kThreads) {
        const float value = k < columns ? math::softmaxGrad<kLog>(loadAt(gy, begin + k),
                                                                  loadAt(y, begin + k), shared.sum)
                                        : 0.0f;
        storeAt(gx, begin + k, value);
      }
    }
  }
};

// A thread's row in memory [before, pitch, behind].
struct ThreadRows {
  int64_t size, behind, pitch;

  NN_DEVICE int64_t begin(int64_t row) const {
    const int64_t before = row / behind;
    return before * pitch * behind + (row - before * behind);
  }
  NN_DEVICE void clearRest(const Floats& y, int64_t begin) const {
    for (int64_t k = size; k < pitch; ++k) storeAt(y, begin + k * behind, 0.0f);
  }
};

template <bool kLog>
struct SoftmaxThreads {
  ThreadRows rows;
  Floats x, y;

  NN_DEVICE void operator()(int64_t row) const {
    const int64_t begin = rows.begin(row), step = rows.behind;
    float best = -kInfinity;
    NN_NO_UNROLL
    for (int64_t k = 0; k < rows.size; ++k) {
      const float value = loadAt(x, begin + k * step);
      best = value > best ? value : best;  // a NaN is no maximum, and makes the sum NaN
    }
    double sum = 0.0;
    NN_NO_UNROLL
    for (int64_t k = 0; k < rows.size; ++k) {
      sum += math::softmaxTerm(loadAt(x, begin + k * step), best);
    }
    const auto total = static_cast<float>(sum);
    const float factor = kLog ? math::log(total) : 1.0f / total;
    NN_NO_UNROLL
    for (int64_t k = 0; k < rows.size; ++k) {
      const float each = loadAt(x, begin + k * step);
      storeAt(y, begin + k * step,
              kLog ? (each - best) - factor : math::softmaxTerm(each, best) * factor);
    }
    rows.clearRest(y, begin);
  }
};

template <bool kLog>
struct SoftmaxGradThreads {
  ThreadRows rows;
  Floats gy, y, gx;

  NN_DEVICE void operator()(int64_t row) const {
    const int64_t begin = rows.begin(row), step = rows.behind;
    double sum = 0.0;
    for (int64_t k = 0; k < rows.size; ++k) {
      const int64_t at = begin + k * step;
      sum += math::softmaxGradTerm<kLog>(loadAt(gy, at), loadAt(y, at));
    }
    const auto total = static_cast<float>(sum);
    for (int64_t k = 0; k < rows.size; ++k) {
      const int64_t at = begin + k * step;
      storeAt(gx, at, math::softmaxGrad<kLog>(loadAt(gy, at), loadAt(y, at), total));
    }
    rows.clearRest(gx, begin);
  }
};

namespace {

// Rows that are short and many are a thread's each.
constexpr int64_t kShortRow = 32, kManyRows = 4096;

// Calls threads(rows) or blocks(how many threads).
template <class Threads, class Blocks>
void withRows(const SoftmaxShape& shape, Threads threads, Blocks blocks) {
  const bool isShort = shape.size <= kShortRow && shape.before >= kManyRows;
  if (shape.behind > 1 || isShort) {
    threads(ThreadRows{shape.size, shape.behind, shape.pitch});
  } else {
    withRowThreads(shape.size, blocks);
  }
}

template <bool kLog>
void forward(cudaStream_t stream, const SoftmaxShape& shape, Floats x, Floats y) {
  withRows(
      shape,
      [&](const ThreadRows& rows) {
        launchElements(stream, "softmax", shape.before * shape.behind,
                       SoftmaxThreads<kLog>{rows, x, y});
      },
      [&](auto threads) {
        launchBlocks(stream, "softmax", shape.before,
                     SoftmaxBlocks<threads, kLog>{x, y, shape.size, shape.pitch});
      });
}

template <bool kLog>
void backward(cudaStream_t stream, const SoftmaxShape& shape, Floats gy, Floats y, Floats gx) {
  withRows(
      shape,
      [&](const ThreadRows& rows) {
        launchElements(stream, "softmaxGrad", shape.before * shape.behind,
                       SoftmaxGradThreads<kLog>{rows, gy, y, gx});
      },
      [&](auto threads) {
        launchBlocks(stream, "softmaxGrad", shape.before,
                     SoftmaxGradBlocks<threads, kLog>{gy, y, gx, shape.size, shape.pitch});
      });
}

}  // namespace

void softmax(cudaStream_t stream, const SoftmaxShape& shape, Floats x, Floats y) {
  if (shape.isLog) {
    forward<true>(stream, shape, x, y);
  } else {
    forward<false>(stream, shape, x, y);
  }
}

void softmaxGrad(cudaStream_t stream, const SoftmaxShape& shape, Floats gy, Floats y, Floats gx) {
  if (shape.isLog) {
    backward<true>(stream, shape, gy, y, gx);
  } else {
    backward<false>(stream, shape, gy, y, gx);
  }
}

}  // namespace neuronode::cuda
