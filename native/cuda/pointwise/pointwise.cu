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

struct RectifiedSum {
  math::Rectifier rectifier;
  NN_DEVICE float operator()(float a, float b) const { return rectifier.value(a + b); }
};

struct MaskedSum {
  math::Rectifier rectifier;
  NN_DEVICE float operator()(float a, float b, float from) const {
    return rectifier.gradient(a + b, from);
  }
};

// Operands of which one is repeated along axes of the other.
template <class Formula>
struct Combine {
  Floats a, b, y;
  Nest<3> nest;
  Formula formula;

  NN_DEVICE void operator()(int64_t i) const {
    int64_t at[3];
    nest.place(i, at);
    storeAt(y, at[0], formula.value(loadAt(a, at[1]), loadAt(b, at[2])));
  }
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
#define NN_ARITHMETIC_ROW(Formula, name)                                                    \
  void name(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count) {             \
    launchStream(stream, #name, Value<math::Formula>{}, y, count, a, b);                    \
  }                                                                                         \
  void name##Nest(cudaStream_t stream, Floats a, Floats b, Floats y, const Nest<3>& nest) { \
    launchElements(stream, #name, nest.count(), Combine<math::Formula>{a, b, y, nest, {}}); \
  }
NN_ACTIVATIONS(NN_ACTIVATION_ROW)
NN_ARITHMETIC(NN_ARITHMETIC_ROW)

void addRectified(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count,
                  math::Rectifier rectifier) {
  launchStream(stream, "addRectified", RectifiedSum{rectifier}, y, count, a, b);
}

void addMasked(cudaStream_t stream, Floats a, Floats b, Floats from, Floats gx, int64_t count,
               math::Rectifier rectifier) {
  launchStream(stream, "addMasked", MaskedSum{rectifier}, gx, count, a, b, from);
}

}  // namespace neuronode::cuda
