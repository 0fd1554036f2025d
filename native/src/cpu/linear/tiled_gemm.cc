#include "cpu/linear/tiled_gemm.h"

#include <algorithm>
#include <atomic>
#include <string>

#include "cpu/onednn.h"
#include "oneapi/dnnl/dnnl.h"

namespace neuronode {

namespace {

// Enough tiles to share out evenly, each large enough in both directions to be worth packing its
// operands for.
constexpr int64_t kTiles = 16;
constexpr int64_t kMostRows = 1024;
constexpr int64_t kLeastColumns = 64;
constexpr int64_t kRegisterTile = 16;  // columns are multiples of what the library's kernels hold

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

void tiledGemm(const GemmShape& s, float alpha, const float* a, const float* b, float* c) {
  const int64_t tileRows = std::min(s.m, kMostRows);
  const int64_t rowTiles = ceilDivide(s.m, tileRows);
  const int64_t share = ceilDivide(s.n, std::max<int64_t>(1, kTiles / rowTiles));
  const int64_t tileColumns =
      std::max(kLeastColumns, ceilDivide(share, kRegisterTile) * kRegisterTile);
  const int64_t columnTiles = ceilDivide(s.n, tileColumns);
  const char transA = s.transposeA ? 'T' : 'N', transB = s.transposeB ? 'T' : 'N';
  const int64_t lda = s.transposeA ? s.m : s.k, ldb = s.transposeB ? s.k : s.n;
  std::atomic<dnnl_status_t> failure = dnnl_success;
  // Inside a parallel region oneDNN computes with the calling thread alone.
#pragma omp parallel for schedule(dynamic) collapse(2)
  for (int64_t rowTile = 0; rowTile < rowTiles; ++rowTile) {
    for (int64_t columnTile = 0; columnTile < columnTiles; ++columnTile) {
      const int64_t row = rowTile * tileRows, column = columnTile * tileColumns;
      const dnnl_status_t status = dnnl_sgemm(
          transA, transB, std::min(tileRows, s.m - row), std::min(tileColumns, s.n - column), s.k,
          alpha, a + row * (s.transposeA ? 1 : s.k), lda, b + column * (s.transposeB ? s.k : 1),
          ldb, 0.f, c + row * s.n + column, s.n);
      if (status != dnnl_success) failure = status;
    }
  }
  if (failure != dnnl_success) {
    throw Error(onednn::codeOf(failure), "oneDNN: sgemm: status " + std::to_string(failure));
  }
}

}  // namespace neuronode
