// Opens NVIDIA's libraries from given folders; openLibraries() does so once, from the usual ones.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "loading/libraries.h"

namespace neuronode::cuda {

// Fills in the symbol tables and `facts`. Looks through the folders in their order, and takes the
// first library of each kind that loads, has every symbol and is of a version that will do.
std::optional<LibraryProblem> openFrom(const std::vector<std::filesystem::path>& places,
                                       LibraryFacts& facts);

}  // namespace neuronode::cuda
