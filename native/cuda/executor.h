// Puts a program's runs on a GPU: inputs through page-locked memory on the copy stream, the steps
// as one recorded graph on the compute stream, outputs back into page-locked memory.
//
// Policy: two runs may be under way. Each has one of two slots, with staging memory on both sides,
// so that the upload of one overlaps the steps of the other: it goes to the slot's device memory,
// and a copy on the compute stream brings it from there to the address that the steps read. A slot
// is used again only when its run is done, which start() waits for.
// The first run calls the steps one by one, and lets libraries set themselves up; the second
// records them while it calls them; from then on the recording is launched. It is made once:
// pointers never change. Where recording fails, the run fails.
#pragma once

#include <memory>
#include <vector>

#include "backend.h"
#include "context.h"

namespace neuronode::cuda {

std::unique_ptr<Executor> makeCudaExecutor(Context& context, std::vector<Transfer> inputs,
                                           std::vector<Transfer> outputs);

}  // namespace neuronode::cuda
