#include "resampling/device_taps.h"

#include <cstring>

#include "status.h"

namespace neuronode::cuda {

OwnedTaps uploadTaps(cudaStream_t stream, const AxisTaps& h, const AxisTaps& w) {
  static_assert(sizeof(float) == sizeof(int32_t));
  const auto words = [](const AxisTaps& taps) { return taps.begin.size() + 2 * taps.index.size(); };
  const size_t bytes = (words(h) + words(w)) * sizeof(int32_t);
  OwnedTaps owned{makeDeviceMemory(bytes), {}, {}};
  const PinnedMemory pinned = makePinnedMemory(bytes);
  auto* to = static_cast<std::byte*>(pinned.get());
  auto* at = static_cast<std::byte*>(owned.memory.get());
  const auto put = [&](const void* from, size_t count) {
    const size_t size = count * sizeof(int32_t);
    std::memcpy(to, from, size);
    const void* place = at;
    to += size;
    at += size;
    return place;
  };
  const auto place = [&](const AxisTaps& taps) {
    const void* begin = put(taps.begin.data(), taps.begin.size());
    const void* index = put(taps.index.data(), taps.index.size());
    const void* weight = put(taps.weight.data(), taps.weight.size());
    return DeviceTaps{static_cast<int>(taps.in), static_cast<int>(taps.out),
                      static_cast<const int32_t*>(begin), static_cast<const int32_t*>(index),
                      static_cast<const float*>(weight)};
  };
  owned.h = place(h);
  owned.w = place(w);
  NN_CHECK_CUDA(
      cudaMemcpyAsync(owned.memory.get(), pinned.get(), bytes, cudaMemcpyHostToDevice, stream));
  NN_CHECK_CUDA(cudaStreamSynchronize(stream));
  return owned;
}

}  // namespace neuronode::cuda
