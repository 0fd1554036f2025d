#include "cpu/joining/copies.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(CopyKernels, copyTable)

const CopyKernels& copyKernels(Isa isa) { return copyTable(isa); }

}  // namespace neuronode
