#include "cpu/pooling/pooling.h"

#include <algorithm>

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(PoolingKernels, poolingTable)

const PoolingKernels& poolingKernels(Isa isa) { return poolingTable(isa); }

AxisWindows averageWindows(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad,
                           bool countIncludePad) {
  AxisWindows windows{in, out, {}, {}, {}};
  for (int64_t i = 0; i < out; ++i) {
    const int64_t first = i * stride - pad;
    // In ceil mode a window may reach past the padding; those cells are never counted.
    const int64_t last = std::min(first + kernel, in + pad);
    const int64_t start = std::max<int64_t>(first, 0);
    const int64_t end = std::max(start, std::min(last, in));
    windows.start.push_back(static_cast<int32_t>(start));
    windows.end.push_back(static_cast<int32_t>(end));
    windows.count.push_back(static_cast<int32_t>(countIncludePad ? last - first : end - start));
  }
  return windows;
}

AxisWindows adaptiveWindows(int64_t in, int64_t out) {
  AxisWindows windows{in, out, {}, {}, {}};
  for (int64_t i = 0; i < out; ++i) {
    const int64_t start = i * in / out;
    const int64_t end = ((i + 1) * in + out - 1) / out;
    windows.start.push_back(static_cast<int32_t>(start));
    windows.end.push_back(static_cast<int32_t>(end));
    windows.count.push_back(static_cast<int32_t>(end - start));
  }
  return windows;
}

}  // namespace neuronode
