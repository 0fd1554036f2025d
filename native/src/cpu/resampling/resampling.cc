#include "cpu/resampling/resampling.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(ResamplingKernels, resamplingTable)

const ResamplingKernels& resamplingKernels(Isa isa) { return resamplingTable(isa); }

int64_t resamplingScratch(const Resampling& resampling) {
  return resampling.workers * resamplingRow(resampling);
}

}  // namespace neuronode
