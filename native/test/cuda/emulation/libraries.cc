// What native/cuda/loading offers, for a machine whose libraries are this emulation.
#include "loading/libraries.h"

#include <cublas_v2.h>

#include <cstdlib>
#include <cstring>

#include "error.h"

namespace neuronode::cuda {

// NEURONODE_EMULATED_MISSING or NEURONODE_EMULATED_WRONG names a library that is not there, or is
// there in a version that does not serve.
std::optional<LibraryProblem> openLibraries() {
  if (const char* name = std::getenv("NEURONODE_EMULATED_MISSING"); name && *name) {
    return LibraryProblem{errc::kLibraryMissing,
                          std::string(name) + " was not found; sought in /emulated/lib"};
  }
  if (const char* name = std::getenv("NEURONODE_EMULATED_WRONG"); name && *name) {
    return LibraryProblem{
        errc::kLibraryVersion,
        std::string(name) + " 1.0.0 was found at /emulated/lib, another is needed"};
  }
  return std::nullopt;
}

LibraryFacts openedLibraries() {
  LibraryFacts facts;
  facts.cublas = std::to_string(CUBLAS_VER_MAJOR) + "." + std::to_string(CUBLAS_VER_MINOR) + "." +
                 std::to_string(CUBLAS_VER_PATCH) + " (emulated)";
  facts.cudnn = "emulated";
  facts.cublasPath = facts.cudnnPath = "/emulated/lib";
  return facts;
}

bool isEmulated() { return true; }

}  // namespace neuronode::cuda
