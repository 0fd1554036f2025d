#include "cpu/softmax/softmax.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(SoftmaxKernels, softmaxTable)

const SoftmaxKernels& softmaxKernels(Isa isa) { return softmaxTable(isa); }

}  // namespace neuronode
