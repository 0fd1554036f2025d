// The emulated cuBLAS and cuBLASLt: right products, and refusals.
#include <cublasLt.h>
#include <cublas_v2.h>

#include <algorithm>

#include "emulation/checked.h"
#include "emulation/gemm.h"
#include "handles.h"
#include "status.h"

namespace neuronode::cuda::emulation {
namespace {

class EmulationBlasTest : public Checked {
 protected:
  static constexpr size_t kWorkspace = 1 << 20;

  EmulationBlasTest() : stream(makeStream()), workspace(makeDeviceMemory(kWorkspace)) {
    cublasHandle_t raw = nullptr;
    NN_CHECK_CUBLAS(cublasCreate(&raw));
    blas.reset(raw);
    cublasLtHandle_t rawLt = nullptr;
    NN_CHECK_CUBLAS(cublasLtCreate(&rawLt));
    light.reset(rawLt);
    NN_CHECK_CUBLAS(cublasSetStream(raw, stream.get()));
    NN_CHECK_CUBLAS(cublasSetWorkspace(raw, workspace.get(), kWorkspace));
  }

  template <class T>
  DeviceMemory upload(const std::vector<T>& values) {
    DeviceMemory memory = makeDeviceMemory(values.size() * sizeof(T));
    NN_CHECK_CUDA(
        cudaMemcpy(memory.get(), values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
    return memory;
  }
  template <class T>
  std::vector<T> download(const DeviceMemory& memory, size_t count) {
    std::vector<T> values(count);
    NN_CHECK_CUDA(cudaStreamSynchronize(stream.get()));
    NN_CHECK_CUDA(
        cudaMemcpy(values.data(), memory.get(), count * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

  Stream stream;
  DeviceMemory workspace;
  BlasHandle blas;
  BlasLtHandle light;
};

std::vector<float> numbers(size_t count, float scale) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = scale * static_cast<float>(i * 7919 % 997) - 0.5F;
  return values;
}

TEST_F(EmulationBlasTest, MultipliesInEveryOrientation) {
  constexpr int kM = 37, kN = 70, kK = 300, kPad = 3;
  for (const bool transposeA : {false, true}) {
    for (const bool transposeB : {false, true}) {
      const int lda = (transposeA ? kK : kM) + kPad, ldb = (transposeB ? kN : kK) + kPad;
      const int ldc = kM + kPad;
      const std::vector<float> a = numbers(lda * (transposeA ? kM : kK), 1e-3F);
      const std::vector<float> b = numbers(ldb * (transposeB ? kK : kN), 1e-3F);
      const std::vector<float> c = numbers(ldc * kN, 1e-3F);
      const DeviceMemory at = upload(a), bt = upload(b), ct = upload(c);
      const float alpha = 2, beta = 0.5F;
      ASSERT_EQ(cublasSgemm(blas.get(), transposeA ? CUBLAS_OP_T : CUBLAS_OP_N,
                            transposeB ? CUBLAS_OP_T : CUBLAS_OP_N, kM, kN, kK, &alpha,
                            static_cast<float*>(at.get()), lda, static_cast<float*>(bt.get()), ldb,
                            &beta, static_cast<float*>(ct.get()), ldc),
                CUBLAS_STATUS_SUCCESS);
      const std::vector<float> got = download<float>(ct, c.size());
      for (int j = 0; j < kN; ++j) {
        for (int i = 0; i < ldc; ++i) {
          double want = c[j * ldc + i];
          if (i < kM) {
            double sum = 0;
            for (int k = 0; k < kK; ++k) {
              sum += double{a[transposeA ? i * lda + k : k * lda + i]} *
                     b[transposeB ? k * ldb + j : j * ldb + k];
            }
            want = 2 * sum + 0.5 * want;
          }
          ASSERT_NEAR(got[j * ldc + i], want, 1e-5 * std::max(1.0, std::abs(want)))
              << i << ", " << j;
        }
      }
    }
  }
}

TEST_F(EmulationBlasTest, RoundsOperandsOnlyWhereAskedTo) {
  EXPECT_EQ(roundToTf32(1 + 0x1p-11F), 1 + 0x1p-10F);
  EXPECT_EQ(roundToTf32(1 + 0x1p-12F), 1);
  const DeviceMemory a = upload<float>({1 + 0x1p-12F}), b = upload<float>({1}),
                     c = makeDeviceMemory(4);
  const float one = 1, zero = 0;
  const auto multiply = [&](cublasComputeType_t compute) {
    EXPECT_EQ(cublasGemmEx(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.get(), CUDA_R_32F,
                           1, b.get(), CUDA_R_32F, 1, &zero, c.get(), CUDA_R_32F, 1, compute,
                           CUBLAS_GEMM_DEFAULT),
              CUBLAS_STATUS_SUCCESS);
    return download<float>(c, 1)[0];
  };
  EXPECT_EQ(multiply(CUBLAS_COMPUTE_32F), 1 + 0x1p-12F);
  EXPECT_EQ(multiply(CUBLAS_COMPUTE_32F_FAST_TF32), 1);
  ASSERT_EQ(cublasSetMathMode(blas.get(), CUBLAS_TF32_TENSOR_OP_MATH), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(multiply(CUBLAS_COMPUTE_32F), 1);
}

TEST_F(EmulationBlasTest, MultipliesBatches) {
  const DeviceMemory a = upload<float>({1, 2, 3}), b = upload<float>({4, 5, 6}),
                     c = makeDeviceMemory(12);
  const float one = 1, zero = 0;
  ASSERT_EQ(
      cublasGemmStridedBatchedEx(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, a.get(),
                                 CUDA_R_32F, 1, 1, b.get(), CUDA_R_32F, 1, 1, &zero, c.get(),
                                 CUDA_R_32F, 1, 1, 3, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(download<float>(c, 3), (std::vector<float>{4, 10, 18}));
}

TEST_F(EmulationBlasTest, WantsAWorkspaceSetAfterTheStream) {
  const DeviceMemory x = upload<float>({1});
  auto* const at = static_cast<float*>(x.get());
  const float one = 1;
  const auto multiply = [&] {
    return cublasSgemm(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, at, 1, at, 1, &one, at,
                       1);
  };
  ASSERT_EQ(multiply(), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasSetStream(blas.get(), stream.get()), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(multiply(), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_TRUE(isViolated("no workspace was set after the stream"));
  ASSERT_EQ(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal), cudaSuccess);
  EXPECT_EQ(multiply(), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_TRUE(isViolated("is being captured"));
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream.get(), &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cublasSetWorkspace(blas.get(), static_cast<char*>(workspace.get()) + 64, 4096),
            CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("cublasSetWorkspace"));
}

TEST_F(EmulationBlasTest, LeavesNothingOfTheWorkspace) {
  const DeviceMemory x = upload<float>({1});
  auto* const at = static_cast<float*>(x.get());
  const float one = 1, zero = 0;
  ASSERT_EQ(cudaMemsetAsync(workspace.get(), 0, kWorkspace, stream.get()), cudaSuccess);
  ASSERT_EQ(
      cublasSgemm(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, at, 1, at, 1, &zero, at, 1),
      CUBLAS_STATUS_SUCCESS);
  EXPECT_TRUE(std::isnan(download<float>(workspace, 1)[0]));
}

TEST_F(EmulationBlasTest, RefusesMatricesThatDoNotFit) {
  const DeviceMemory x = upload(numbers(64, 1));
  auto* const at = static_cast<float*>(x.get());
  const float one = 1, zero = 0;
  std::vector<float> host(64);
  const auto multiply = [&](int m, int lda, const float* a) {
    return cublasSgemm(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, m, 1, 1, &one, a, lda, at, 1, &zero,
                       at, 8);
  };
  EXPECT_EQ(multiply(8, 7, at), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("leading dimension"));
  EXPECT_EQ(multiply(8, 8, nullptr), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("null"));
  EXPECT_EQ(multiply(8, 8, host.data()), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("no memory of any device"));
  EXPECT_EQ(cublasGemmEx(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one,
                         reinterpret_cast<char*>(at) + 2, CUDA_R_16BF, 1, at, CUDA_R_16BF, 1, &zero,
                         at, CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("not aligned"));
}

TEST_F(EmulationBlasTest, LosesTheDeviceToMatricesBeyondTheirMemory) {
  const DeviceMemory x = upload(numbers(64, 1));
  auto* const at = static_cast<float*>(x.get());
  const float one = 1, zero = 0;
  ASSERT_EQ(
      cublasSgemm(blas.get(), CUBLAS_OP_N, CUBLAS_OP_N, 8, 1, 9, &one, at, 8, at, 9, &zero, at, 8),
      CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(cudaStreamSynchronize(stream.get()), cudaErrorIllegalAddress);
  EXPECT_TRUE(isViolated("matrix A is 288 bytes at memory of device 0"));
  EXPECT_EQ(cublasSetMathMode(blas.get(), CUBLAS_DEFAULT_MATH), CUBLAS_STATUS_EXECUTION_FAILED);
}

// One product of cuBLASLt: d [m, n] = a [m, k] * b [k, n], column-major, dense.
class LightProduct {
 public:
  LightProduct(cudaDataType type, int m, int n, int k) {
    NN_CHECK_CUBLAS(cublasLtMatmulDescCreate(&what, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    NN_CHECK_CUBLAS(cublasLtMatrixLayoutCreate(&a, type, m, k, m));
    NN_CHECK_CUBLAS(cublasLtMatrixLayoutCreate(&b, type, k, n, k));
    NN_CHECK_CUBLAS(cublasLtMatrixLayoutCreate(&d, type, m, n, m));
    NN_CHECK_CUBLAS(cublasLtMatmulPreferenceCreate(&preference));
    const uint64_t bytes = 4096;
    NN_CHECK_CUBLAS(cublasLtMatmulPreferenceSetAttribute(
        preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &bytes, sizeof bytes));
  }
  ~LightProduct() {
    cublasLtMatmulPreferenceDestroy(preference);
    for (const cublasLtMatrixLayout_t each : {a, b, d}) cublasLtMatrixLayoutDestroy(each);
    cublasLtMatmulDescDestroy(what);
  }
  LightProduct(const LightProduct&) = delete;
  LightProduct& operator=(const LightProduct&) = delete;

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, Value value) {
    NN_CHECK_CUBLAS(cublasLtMatmulDescSetAttribute(what, attribute, &value, sizeof value));
  }
  cublasStatus_t find(cublasLtHandle_t handle) {
    int found = 0;
    return cublasLtMatmulAlgoGetHeuristic(handle, what, a, b, d, d, preference, 1, &best, &found);
  }
  cublasStatus_t run(cublasLtHandle_t handle, const float* from, float* to, void* workspace,
                     size_t bytes, cudaStream_t stream) {
    const float one = 1, zero = 0;
    return cublasLtMatmul(handle, what, &one, from, a, from, b, &zero, to, d, to, d, &best.algo,
                          workspace, bytes, stream);
  }

  cublasLtMatmulDesc_t what = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulHeuristicResult_t best = {};
};

TEST_F(EmulationBlasTest, AddsBiasAndReluInTheEpilogue) {
  const DeviceMemory x = upload<float>({1, 2, 3, -4}), y = makeDeviceMemory(16);
  const DeviceMemory bias = upload<float>({1, -30});
  auto* const from = static_cast<float*>(x.get());
  auto* const to = static_cast<float*>(y.get());
  LightProduct product(CUDA_R_32F, 2, 2, 2);
  const auto run = [&](size_t bytes, cudaStream_t on) {
    return product.run(light.get(), from, to, workspace.get(), bytes, on);
  };
  product.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_RELU_BIAS);
  product.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(bias.get()));
  ASSERT_EQ(product.find(light.get()), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(run(4096, stream.get()), CUBLAS_STATUS_SUCCESS);
  // [1 3; 2 -4]^2 = [7 -9; -6 22], then + [1; -30].
  EXPECT_EQ(download<float>(y, 4), (std::vector<float>{8, 0, 0, 0}));

  EXPECT_EQ(run(64, stream.get()), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("the workspace is too small"));
  EXPECT_EQ(run(4096, nullptr), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("the default stream"));
  const float onHost[2] = {};
  product.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(onHost));
  EXPECT_EQ(run(4096, stream.get()), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_TRUE(isViolated("the bias is"));
  EXPECT_EQ(live().descriptors, 5);
}

TEST_F(EmulationBlasTest, HasNoAlgorithmForWhatDoesNotFit) {
  LightProduct narrow(CUDA_R_16BF, 12, 8, 8);
  EXPECT_EQ(narrow.find(light.get()), CUBLAS_STATUS_NOT_SUPPORTED);
  LightProduct wide(CUDA_R_16BF, 16, 8, 8);
  EXPECT_EQ(wide.find(light.get()), CUBLAS_STATUS_SUCCESS);
  wide.set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
  wide.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<int32_t>(CUDA_R_32F));
  EXPECT_EQ(wide.find(light.get()), CUBLAS_STATUS_NOT_SUPPORTED);
}

TEST_F(EmulationBlasTest, GivesTheVersionOnlyByProperty) {
  int version = -1, major = -1;
  EXPECT_EQ(cublasGetVersion(nullptr, &version), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(version, -1);
  EXPECT_EQ(cublasGetProperty(MAJOR_VERSION, &major), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(major, 13);
}

TEST_F(EmulationBlasTest, FailsWhenToldTo) {
  failCall("cublasSetMathMode", 1, Fault::OutOfMemory);
  EXPECT_EQ(cublasSetMathMode(blas.get(), CUBLAS_DEFAULT_MATH), CUBLAS_STATUS_ALLOC_FAILED);
  failCall("cublasSetMathMode", 1);
  EXPECT_EQ(cublasSetMathMode(blas.get(), CUBLAS_DEFAULT_MATH), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(live().blasHandles, 2);
}

}  // namespace
}  // namespace neuronode::cuda::emulation
