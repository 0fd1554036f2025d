#include "cpu/pointwise/pointwise.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(PointwiseKernels, pointwiseTable)

const PointwiseKernels& pointwiseKernels(Isa isa) { return pointwiseTable(isa); }

}  // namespace neuronode
