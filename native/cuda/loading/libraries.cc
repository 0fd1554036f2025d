// openLibraries(): the libraries of this process, opened once; see libraries.h.
#include "loading/libraries.h"

#include <dlfcn.h>

#include <cstdlib>

#include "loading/open.h"
#include "loading/places.h"

namespace neuronode::cuda {

namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// The file that this code was loaded from.
std::filesystem::path backendLibrary() {
  Dl_info info;
  const bool known = dladdr(reinterpret_cast<const void*>(&openLibraries), &info) != 0;
  return known && info.dli_fname != nullptr ? info.dli_fname : "";
}

struct Outcome {
  std::optional<LibraryProblem> problem;
  LibraryFacts facts;
};

const Outcome& outcome() {
  static const Outcome once = [] {
    Outcome result;
    result.problem = openFrom(placesToSearch(variable, backendLibrary()), result.facts);
    if (result.problem) result.facts = {};
    return result;
  }();
  return once;
}

}  // namespace

std::optional<LibraryProblem> openLibraries() { return outcome().problem; }

LibraryFacts openedLibraries() { return outcome().facts; }

bool isEmulated() { return false; }

}  // namespace neuronode::cuda
