// The executor of synchronous backends: uploads, computes and downloads within start().
#pragma once

#include <memory>
#include <vector>

#include "backend.h"

namespace neuronode {

std::unique_ptr<Executor> makeDirectExecutor(Backend& backend, std::vector<Transfer> inputs,
                                             std::vector<Transfer> outputs);

}  // namespace neuronode
