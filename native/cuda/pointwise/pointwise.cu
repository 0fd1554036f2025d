// Activations and arithmetic, element by element.
#include "kernels/streaming.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {

template <class Formula>
struct Value {
  Formula formula;
  NN_DEVICE float operator()(float x) const { return formula.value(x); }
  NN_DEVICE float operator()(float a, float b) const { return formula.value(a, b); }
};

template <class Formula>
struct Gradient {
  Formula formula;
  NN_DEVICE float operator()(float gy, float from) const { return formula.gradient(gy, from); }
};

#define NN_ACTIVATION_ROW(Formula, name, ...)                                            \
  void name(cudaStream_t stream, Floats x, Floats y, int64_t count, float parameter) {   \
    const Value<math::Formula> op{math::activation<math::Formula>(parameter)};           \
    launchStream(stream, #name, op, y, count, x);                                        \
  }                                                                                      \
  void name##Grad(cudaStream_t stream, Floats gy, Floats from, Floats gx, int64_t count, \
                  float parameter) {                                                     \
    const Gradient<math::Formula> op{math::activation<math::Formula>(parameter)};        \
    launchStream(stream, #name "Grad", op, gx, count, gy, from);                         \
  }
#define NN_ARITHMETIC_ROW(Formula, name)                                        \
  void name(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count) { \
    launchStream(stream, #name, Value<math::Formula>{}, y, count, a, b);        \
  }
NN_ACTIVATIONS(NN_ACTIVATION_ROW)
NN_ARITHMETIC(NN_ARITHMETIC_ROW)

}  // namespace neuronode::cuda
