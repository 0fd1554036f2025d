// Bytes to floats; see cpu/conversion/to_float.h.
#include "cpu/conversion/to_float.h"

#include "cpu/parallel.h"

namespace neuronode::NN_ISA {
namespace {

void bytesToFloat(const uint8_t* x, float* y, int64_t n, int64_t c, int64_t hw,
                  const float* table) {
  parallelItems(n * c, hw, [=](int64_t plane) {
    const float* values = table + plane % c * 256;
    const uint8_t* from = x + plane * hw;
    float* to = y + plane * hw;
    for (int64_t i = 0; i < hw; ++i) to[i] = values[from[i]];
  });
}

}  // namespace

extern const ConversionKernels conversionTable;
const ConversionKernels conversionTable = {bytesToFloat};

}  // namespace neuronode::NN_ISA
