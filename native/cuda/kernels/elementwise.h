// Launches of the element-wise kernels: dense device memory in, dense device memory out, put on the
// stream. Arithmetic is that of native/src/math.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "layouts.h"
#include "math/philox.h"

namespace neuronode::cuda {

// Floats in device memory. Where they are not 16-byte aligned, kernels go element by element.
struct Floats {
  void* at = nullptr;
  Storage storage = Storage::F32;
};

void relu(cudaStream_t stream, Floats x, Floats y, int64_t count);
void reluGrad(cudaStream_t stream, Floats gy, Floats y, Floats gx, int64_t count);
void sigmoid(cudaStream_t stream, Floats x, Floats y, int64_t count);
void sigmoidGrad(cudaStream_t stream, Floats gy, Floats y, Floats gx, int64_t count);
void add(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count);

struct DropoutKey {
  uint32_t seedLow, seedHigh, stream;
};
// x and y are laid out by `map`: element e of the plain order reads word e % 4 of counter e / 4.
// `step` is in device memory. Its gradient is the same function of gy.
void dropout(cudaStream_t stream, Floats x, Floats y, const IndexMap& map,
             const math::DropoutScalars& scalars, const DropoutKey& key, const int32_t* step);

// Bytes to floats: (byte / 255 - mean[c]) / std[c], in any layout; padding is zero. Rounded as the
// CPU kernel rounds.
inline constexpr int kMostToFloatChannels = 64;
struct ToFloatScalars {
  int channels = 1;
  float mean[kMostToFloatChannels];
  float std[kMostToFloatChannels];
};
// x: [N, C, H, W] plain bytes; pixels = H * W.
void toFloat(cudaStream_t stream, const uint8_t* x, Floats y, const IndexMap& map, int64_t pixels,
             const ToFloatScalars& scalars);

// From one layout and storage to another; padding is written as zero.
void reorderFloats(cudaStream_t stream, Floats from, const IndexMap& fromMap, Floats to,
                   const IndexMap& toMap);
// The same of single bytes and 32-bit words (pooling indices).
void reorderBytes(cudaStream_t stream, const uint8_t* from, const IndexMap& fromMap, uint8_t* to,
                  const IndexMap& toMap);
void reorderWords(cudaStream_t stream, const int32_t* from, const IndexMap& fromMap, int32_t* to,
                  const IndexMap& toMap);
// Zeroes what `map` calls padding (the extra taps of a filter's gradient).
void zeroPadding(cudaStream_t stream, Floats x, const IndexMap& map);

// gy: [rows, columns], row by row `pitch` apart -> gb[column] = sum over rows, f32, in a fixed
// order. `partial` holds biasGradWorkspace floats.
int64_t biasGradWorkspace(int64_t rows, int64_t columns);
void biasGrad(cudaStream_t stream, Floats gy, int64_t rows, int64_t columns, int64_t pitch,
              float* gb, float* partial);
// y[row, column] += bias[column], then ReLU if asked for: what a library's epilogue cannot do.
void addBias(cudaStream_t stream, Floats y, const float* bias, int64_t rows, int64_t columns,
             int64_t pitch, bool relu);

}  // namespace neuronode::cuda
