// The host's memory as device memory of the CPU backend.
#pragma once

#include <memory>

#include "backend.h"

namespace neuronode {

// Bytes that this process may still take: the machine's available memory, or what its control
// groups leave where that is less.
size_t availableMemory();

// Throws ERR_NN_OUT_OF_MEMORY where `bytes` exceeds availableMemory(). Copies on the host are
// checked by it too: they need no Buffer, but as much memory.
void checkHostMemory(size_t bytes);

// Zeros, 64-byte aligned at least. Throws ERR_NN_OUT_OF_MEMORY where `bytes` exceeds
// availableMemory(): an overcommitted mapping would succeed and get the process killed later.
std::unique_ptr<Buffer> allocateHostMemory(size_t bytes);

}  // namespace neuronode
