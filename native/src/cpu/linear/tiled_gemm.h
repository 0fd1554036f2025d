// Matrix products whose bits do not depend on the number of threads.
//
// oneDNN's GEMM divides the inner dimension among its threads where that balances them better, so
// its rounding depends on their number. Here the result is cut into tiles by its shape alone, and
// each tile is one single-threaded product.
#pragma once

#include <cstdint>

namespace neuronode {

/// a is [m, k], or [k, m] if transposeA; b is [k, n], or [n, k] if transposeB; both row-major and
/// dense.
struct GemmShape {
  bool transposeA, transposeB;
  int64_t m, n, k;
};

/// c = alpha * a * b; c: [m, n]. Throws ERR_NN_NATIVE or ERR_NN_OUT_OF_MEMORY where oneDNN fails.
void tiledGemm(const GemmShape& shape, float alpha, const float* a, const float* b, float* c);

}  // namespace neuronode
