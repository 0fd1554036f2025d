#include "cpu/channels.h"

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(ChannelKernels, channelTable)

const ChannelKernels& channelKernels(Isa isa) { return channelTable(isa); }

}  // namespace neuronode
