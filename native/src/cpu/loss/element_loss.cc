#include "cpu/loss/element_loss.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(ElementLossKernels, elementLossTable)

const ElementLossKernels& elementLossKernels(Isa isa) { return elementLossTable(isa); }

}  // namespace neuronode
