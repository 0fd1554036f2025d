#include "cpu/loss/loss.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(LossKernels, lossTable)

const LossKernels& lossKernels(Isa isa) { return lossTable(isa); }

}  // namespace neuronode
