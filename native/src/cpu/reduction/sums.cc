#include "cpu/reduction/sums.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(SumKernels, sumTable)

const SumKernels& sumKernels(Isa isa) { return sumTable(isa); }

}  // namespace neuronode
