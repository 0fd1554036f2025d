// Kernels that walk dense memory from end to end: y[i] = op(x0[i], x1[i], ..). A thread takes 16
// bytes of each operand; the tail that fills no pack, or all of memory that is not aligned, goes
// element by element.
#pragma once

#include <type_traits>

#include "kernels/access.h"

namespace neuronode::cuda {

// How many packs of N and single elements cover `count` elements.
struct Packing {
  int64_t packs;
  int64_t items;  // packs + single elements

  Packing(int64_t count, int size, bool aligned)
      : packs(aligned ? count / size : 0), items(packs + (count - packs * size)) {}
};

// Item i of a packing: calls body.run<N>(first element).
template <int N, class Body>
NN_DEVICE void runItem(const Body& body, int64_t packs, int64_t i) {
  if (i < packs) {
    body.template run<N>(i * N);
  } else {
    body.template run<1>(packs * N + (i - packs));
  }
}

// Operands all stored as T.
template <class T, int kInputs, class Op>
struct Stream {
  const T* x[kInputs];
  T* y;
  int64_t packs;
  Op op;

  NN_DEVICE void operator()(int64_t i) const { runItem<kPack<T>>(*this, packs, i); }

  template <int N>
  NN_DEVICE void run(int64_t at) const {
    float in[kInputs][N], out[N];
    NN_UNROLL
    for (int k = 0; k < kInputs; ++k) load<N>(x[k] + at, in[k]);
    NN_UNROLL
    for (int j = 0; j < N; ++j) {
      if constexpr (kInputs == 1) {
        out[j] = op(in[0][j]);
      } else if constexpr (kInputs == 2) {
        out[j] = op(in[0][j], in[1][j]);
      } else {
        out[j] = op(in[0][j], in[1][j], in[2][j]);
      }
    }
    store<N>(y + at, out);
  }
};

// Operands of different storages, which no program of ours makes often.
template <int kInputs, class Op>
struct MixedStream {
  Floats x[kInputs];
  Floats y;
  Op op;

  NN_DEVICE void operator()(int64_t i) const {
    if constexpr (kInputs == 1) {
      storeAt(y, i, op(loadAt(x[0], i)));
    } else if constexpr (kInputs == 3) {
      storeAt(y, i, op(loadAt(x[0], i), loadAt(x[1], i), loadAt(x[2], i)));
    } else {
      storeAt(y, i, op(loadAt(x[0], i), loadAt(x[1], i)));
    }
  }
};

template <class Op, class... Inputs>
void launchStream(cudaStream_t stream, const char* name, Op op, Floats y, int64_t count,
                  Inputs... x) {
  constexpr int kInputs = sizeof...(Inputs);
  if (((x.storage != y.storage) || ...)) {
    launchElements(stream, name, count, MixedStream<kInputs, Op>{{x...}, y, op});
    return;
  }
  withStorage(y.storage, [&](auto element) {
    using T = decltype(element);
    const Packing packing(count, kPack<T>, isAligned(y.at) && (isAligned(x.at) && ...));
    launchElements(stream, name, packing.items,
                   Stream<T, kInputs, Op>{
                       {static_cast<const T*>(x.at)...}, static_cast<T*>(y.at), packing.packs, op});
  });
}

}  // namespace neuronode::cuda
