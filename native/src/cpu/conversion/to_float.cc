#include "cpu/conversion/to_float.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(ConversionKernels, conversionTable)

const ConversionKernels& conversionKernels(Isa isa) { return conversionTable(isa); }

void buildByteTable(const float* mean, const float* std, int64_t c, float* table) {
  for (int64_t k = 0; k < c; ++k) {
    for (int byte = 0; byte < 256; ++byte) {
      const float unit = static_cast<float>(byte) / 255.0f;
      table[k * 256 + byte] = (unit - mean[k]) / std[k];
    }
  }
}

}  // namespace neuronode
