#include "cpu/dropout/dropout.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(DropoutKernels, dropoutTable)

const DropoutKernels& dropoutKernels(Isa isa) { return dropoutTable(isa); }

}  // namespace neuronode
