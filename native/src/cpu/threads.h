// How many threads the CPU backend computes with.
#pragma once

namespace neuronode {

// The cores that this process may really use: its affinity mask, and its container's CPU quota.
int usableCores();

}  // namespace neuronode
