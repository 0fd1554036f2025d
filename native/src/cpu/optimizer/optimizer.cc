#include "cpu/optimizer/optimizer.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(OptimizerKernels, optimizerTable)

const OptimizerKernels& optimizerKernels(Isa isa) { return optimizerTable(isa); }

}  // namespace neuronode
