#include "linear/matmul.h"

#include <type_traits>

#include "kernels/bias.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {

namespace {

cudaDataType_t dataType(Storage storage) {
  return storage == Storage::BF16 ? CUDA_R_16BF : CUDA_R_32F;
}

// Full precision is what cuBLAS's plain f32 means: it rounds no operand unless told to.
cublasComputeType_t computeType(const MatmulProblem& problem) {
  const bool tf32 = problem.precision == Precision::TF32 && problem.operands == Storage::F32;
  return tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

cublasOperation_t operation(bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; }

// A row-major matrix is its own transpose in column-major eyes: the library is asked for
// y^T = op(b)^T op(a)^T, with b first.
class PlainMatmul : public Matmul {
 public:
  PlainMatmul(Context& context, const MatmulProblem& problem)
      : context_(context), problem_(problem) {}

  void run(const MatmulPointers& at) override {
    const MatmulProblem& p = problem_;
    const float beta = p.accumulate ? 1.0f : 0.0f;
    NN_CHECK_CUBLAS(cublasGemmEx(
        context_.blas(), operation(p.transposeB), operation(p.transposeA), static_cast<int>(p.n),
        static_cast<int>(p.m), static_cast<int>(p.k), &p.alpha, at.b, dataType(p.operands),
        static_cast<int>(p.pitchB), at.a, dataType(p.operands), static_cast<int>(p.pitchA), &beta,
        at.y, dataType(p.y), static_cast<int>(p.pitchY), computeType(p), CUBLAS_GEMM_DEFAULT));
    const Floats y{at.y, p.y};
    if (p.bias) {
      addBias(context_.compute(), y, static_cast<const float*>(at.bias), p.m, p.n, p.pitchY,
              p.relu);
    } else if (p.relu) {
      relu(context_.compute(), y, y, p.m * p.pitchY);
    }
  }

  const char* name() const override { return problem_.bias ? "cublas+bias" : "cublas"; }

 private:
  Context& context_;
  MatmulProblem problem_;
};

template <auto kDestroy>
struct LtDeleter {
  // Host memory only: nothing that could fail on a live handle.
  template <class Handle>
  void operator()(Handle* handle) const noexcept {
    kDestroy(handle);
  }
};
using LtMatmulDesc = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulDesc_t>,
                                     LtDeleter<cublasLtMatmulDescDestroy>>;
using LtLayout = std::unique_ptr<std::remove_pointer_t<cublasLtMatrixLayout_t>,
                                 LtDeleter<cublasLtMatrixLayoutDestroy>>;
using LtPreference = std::unique_ptr<std::remove_pointer_t<cublasLtMatmulPreference_t>,
                                     LtDeleter<cublasLtMatmulPreferenceDestroy>>;

LtLayout makeLayout(Storage storage, int64_t rows, int64_t columns, int64_t pitch) {
  cublasLtMatrixLayout_t raw = nullptr;
  NN_CHECK_CUBLAS(cublasLtMatrixLayoutCreate(
      &raw, dataType(storage), static_cast<uint64_t>(columns), static_cast<uint64_t>(rows), pitch));
  return LtLayout(raw);
}

class LtMatmul : public Matmul {
 public:
  LtMatmul(Context& context, const MatmulProblem& problem) : context_(context), problem_(problem) {
    const MatmulProblem& p = problem_;
    cublasLtMatmulDesc_t raw = nullptr;
    NN_CHECK_CUBLAS(cublasLtMatmulDescCreate(&raw, computeType(p), CUDA_R_32F));
    desc_.reset(raw);
    set(CUBLASLT_MATMUL_DESC_TRANSA, operation(p.transposeB));
    set(CUBLASLT_MATMUL_DESC_TRANSB, operation(p.transposeA));
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue());
    if (p.bias) {
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(dataType(p.y)));
      // Some pointer must be there for the search, and its alignment counts.
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(context.blasWorkspace()));
    }
    a_ = p.transposeA ? makeLayout(p.operands, p.k, p.m, p.pitchA)
                      : makeLayout(p.operands, p.m, p.k, p.pitchA);
    b_ = p.transposeB ? makeLayout(p.operands, p.n, p.k, p.pitchB)
                      : makeLayout(p.operands, p.k, p.n, p.pitchB);
    y_ = makeLayout(p.y, p.m, p.n, p.pitchY);
  }

  // Whether the library has an algorithm. Must be called first.
  bool findAlgorithm() {
    cublasLtMatmulPreference_t raw = nullptr;
    NN_CHECK_CUBLAS(cublasLtMatmulPreferenceCreate(&raw));
    const LtPreference preference(raw);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
      NN_CHECK_CUBLAS(
          cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value));
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kBlasWorkspaceBytes});
    // Partial sums are f32, whatever the result is stored as.
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    // What every buffer of a program has.
    constexpr uint32_t kAlignment = 64;
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kAlignment);
    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(context_.blasLt(), desc_.get(), b_.get(), a_.get(), y_.get(),
                                       y_.get(), preference.get(), 1, &best, &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return false;
    checkCublas(status, "cublasLtMatmulAlgoGetHeuristic");
    if (found == 0 || best.state != CUBLAS_STATUS_SUCCESS) return false;
    algorithm_ = best.algo;
    return true;
  }

  void run(const MatmulPointers& at) override {
    if (problem_.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, at.bias);
    const float beta = problem_.accumulate ? 1.0f : 0.0f;
    NN_CHECK_CUBLAS(cublasLtMatmul(context_.blasLt(), desc_.get(), &problem_.alpha, at.b, b_.get(),
                                   at.a, a_.get(), &beta, at.y, y_.get(), at.y, y_.get(),
                                   &algorithm_, context_.blasWorkspace(), kBlasWorkspaceBytes,
                                   context_.compute()));
  }

  Storage biasStorage() const override { return problem_.y; }
  const char* name() const override { return "cublasLt"; }

 private:
  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, Value value) {
    NN_CHECK_CUBLAS(cublasLtMatmulDescSetAttribute(desc_.get(), attribute, &value, sizeof value));
  }

  cublasLtEpilogue_t epilogue() const {
    if (problem_.bias) return problem_.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    return problem_.relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
  }

  Context& context_;
  MatmulProblem problem_;
  LtMatmulDesc desc_;
  LtLayout a_, b_, y_;
  cublasLtMatmulAlgo_t algorithm_{};
};

}  // namespace

std::unique_ptr<Matmul> makeMatmul(Context& context, const MatmulProblem& problem) {
  if (problem.bias || problem.relu) {
    auto fused = std::make_unique<LtMatmul>(context, problem);
    if (fused->findAlgorithm()) return fused;
  }
  return std::make_unique<PlainMatmul>(context, problem);
}

}  // namespace neuronode::cuda
