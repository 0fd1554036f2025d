#include "cpu/tiled_gemm.h"

#include <algorithm>
#include <atomic>
#include <string>

#include "cpu/onednn.h"
#include "oneapi/dnnl/dnnl.h"

namespace neuronode {

namespace {

// Enough tiles for many threads, each large enough to be worth packing its operands for.
constexpr int64_t kTiles = 32;
constexpr int64_t kLeastTile = 64;
constexpr int64_t kRegisterTile = 16;  // tiles are multiples of what the library's kernels hold

int64_t tileExtent(int64_t extent) {
  const int64_t share = (extent + kTiles - 1) / kTiles;
  return std::max(kLeastTile, (share + kRegisterTile - 1) / kRegisterTile * kRegisterTile);
}

}  // namespace

void tiledGemm(const GemmShape& s, float alpha, const float* a, const float* b, float* c) {
  const bool byColumns = s.n >= s.m;
  const int64_t extent = byColumns ? s.n : s.m;
  const int64_t tile = tileExtent(extent);
  const int64_t tiles = (extent + tile - 1) / tile;
  const char transA = s.transposeA ? 'T' : 'N', transB = s.transposeB ? 'T' : 'N';
  const int64_t lda = s.transposeA ? s.m : s.k, ldb = s.transposeB ? s.k : s.n;
  std::atomic<dnnl_status_t> failure = dnnl_success;
  // Inside a parallel region oneDNN computes with the calling thread alone.
#pragma omp parallel for schedule(dynamic)
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t first = i * tile, count = std::min(tile, extent - first);
    const int64_t aOffset = byColumns ? 0 : first * (s.transposeA ? 1 : s.k);
    const int64_t bOffset = byColumns ? first * (s.transposeB ? s.k : 1) : 0;
    const dnnl_status_t status = dnnl_sgemm(
        transA, transB, byColumns ? s.m : count, byColumns ? count : s.n, s.k, alpha, a + aOffset,
        lda, b + bOffset, ldb, 0.f, c + (byColumns ? first : first * s.n), s.n);
    if (status != dnnl_success) failure = status;
  }
  if (failure != dnnl_success) {
    throw Error(onednn::codeOf(failure), "oneDNN: sgemm: status " + std::to_string(failure));
  }
}

}  // namespace neuronode
