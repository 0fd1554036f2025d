// One element of the operations that compute y[i] from a[i] and b[i], for the CPU's loops and
// CUDA's kernels.
#pragma once

#include "math/macros.h"

// A row each: the formula's name, which is the operation's enumerator, and the operation's name.
#define NN_ARITHMETIC(ROW) ROW(Add, add) ROW(Sub, sub) ROW(Mul, mul) ROW(Div, div)

namespace neuronode::math {

struct Add {
  NN_HD float value(float a, float b) const { return a + b; }
};

struct Sub {
  NN_HD float value(float a, float b) const { return a - b; }
};

struct Mul {
  NN_HD float value(float a, float b) const { return a * b; }
};

struct Div {
  NN_HD float value(float a, float b) const { return a / b; }
};

}  // namespace neuronode::math
