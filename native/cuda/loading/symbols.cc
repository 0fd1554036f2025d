// Looking up symbols; see symbols.h.
#include "loading/symbols.h"

#include <dlfcn.h>

#include <cstddef>

namespace neuronode::cuda {

void SymbolTable::add(const char* name, void** address) { symbols_.push_back({name, address}); }

std::vector<std::string> SymbolTable::resolve(void* library) {
  std::vector<void*> found;
  std::vector<std::string> missing;
  for (const Symbol& symbol : symbols_) {
    void* address = dlsym(library, symbol.name);
    found.push_back(address);
    if (address == nullptr) missing.emplace_back(symbol.name);
  }
  if (missing.empty()) {
    for (size_t i = 0; i < found.size(); ++i) *symbols_[i].address = found[i];
  }
  return missing;
}

}  // namespace neuronode::cuda
