#include "convolution/matrix_product.h"

#include <algorithm>

#include "convolution/im2col.h"
#include "status.h"

namespace neuronode::cuda {

namespace {

// A row-major matrix, or with `transposed` the transpose of one, rows `pitch` apart.
struct Matrix {
  const float* at;
  int64_t pitch;
  bool transposed = false;
};

// c [m, n] = a [m, k] * b [k, n], plus what c was if asked for.
void multiply(cublasHandle_t blas, Precision precision, int64_t m, int64_t n, int64_t k, Matrix a,
              Matrix b, float* c, int64_t pitch, bool add) {
  const float one = 1, beta = add ? 1 : 0;
  const auto operation = [](const Matrix& x) { return x.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  // The library is column-major: it is given the transposed product.
  NN_CHECK_CUBLAS(cublasGemmEx(
      blas, operation(b), operation(a), static_cast<int>(n), static_cast<int>(m),
      static_cast<int>(k), &one, b.at, CUDA_R_32F, static_cast<int>(b.pitch), a.at, CUDA_R_32F,
      static_cast<int>(a.pitch), &beta, c, CUDA_R_32F, static_cast<int>(pitch),
      precision == Precision::F32 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32,
      CUBLAS_GEMM_DEFAULT));
}

}  // namespace

MatrixProduct::MatrixProduct(Context& context, const ConvProblem& geometry, Precision precision,
                             size_t workspaceBytes)
    : stream_(context.compute()), blas_(context.blas()), problem_(geometry) {
  problem_.x = precision == Precision::BF16 ? Storage::BF16 : Storage::F32;
  problem_.filter = problem_.y = Storage::F32;
  problem_.precision = precision;
  problem_.bias = problem_.relu = false;
  columnWidth_ = problem_.r * problem_.s * (problem_.c / problem_.groups);
  const int64_t imageBytes = problem_.oh * problem_.ow * columnWidth_ * sizeof(float);
  chunk_ = std::clamp<int64_t>(static_cast<int64_t>(workspaceBytes) / imageBytes, 1, problem_.n);
}

size_t MatrixProduct::workspaceBytes() const {
  return static_cast<size_t>(chunk_ * problem_.oh * problem_.ow * columnWidth_) * sizeof(float);
}

void MatrixProduct::run(const ConvPointers& pointers, void* workspace) const {
  for (int64_t group = 0; group < problem_.groups; ++group) {
    for (int64_t first = 0; first < problem_.n; first += chunk_) {
      runChunk(pointers, static_cast<float*>(workspace), group, first,
               std::min(chunk_, problem_.n - first));
    }
  }
}

void MatrixProduct::runChunk(const ConvPointers& pointers, float* columns, int64_t group,
                             int64_t firstImage, int64_t images) const {
  const ConvProblem& p = problem_;
  const int64_t filters = p.k / p.groups, pixels = p.oh * p.ow, rows = images * pixels;
  const Floats x{pointers.x, p.x};
  float* filter = static_cast<float*>(pointers.filter) + group * filters * columnWidth_;
  float* y = static_cast<float*>(pointers.y) + firstImage * pixels * p.k + group * filters;
  switch (p.kind) {
    case ConvKind::Forward:
      im2col(stream_, p, group, firstImage, images, x, columns);
      multiply(blas_, p.precision, rows, filters, columnWidth_, {columns, columnWidth_},
               {filter, columnWidth_, true}, y, p.k, false);
      break;
    case ConvKind::InputGrad:
      multiply(blas_, p.precision, rows, columnWidth_, filters, {y, p.k}, {filter, columnWidth_},
               columns, columnWidth_, false);
      col2im(stream_, p, group, firstImage, images, columns, x);
      break;
    case ConvKind::WeightGrad:
      im2col(stream_, p, group, firstImage, images, x, columns);
      multiply(blas_, p.precision, filters, columnWidth_, rows, {y, p.k, true},
               {columns, columnWidth_}, filter, columnWidth_, firstImage > 0);
      break;
  }
}

}  // namespace neuronode::cuda
