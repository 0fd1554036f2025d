// The C functions of NVIDIA's libraries that the backend calls, as forwards: each is defined here
// under its own name, hidden, and calls what openLibraries() found in the library. The compiler
// checks a forward against the header's declaration, since both have C linkage.
//
// Policy: a library that lacks one of its symbols is not used. Before a table is filled its
// forwards return the library's own status for that, and touch nothing.
#pragma once

#include <string>
#include <vector>

namespace neuronode::cuda {

class SymbolTable {
 public:
  // `address`: of a pointer to the function.
  void add(const char* name, void** address);
  // Finds every symbol in a library that dlopen returned. Fills in all pointers or none; returns
  // the names that are missing.
  std::vector<std::string> resolve(void* library);

 private:
  struct Symbol {
    const char* name;
    void** address;
  };
  std::vector<Symbol> symbols_;
};

SymbolTable& cudnnSymbols();
SymbolTable& cublasSymbols();
SymbolTable& cublasLtSymbols();
SymbolTable& nvrtcSymbols();

// Adds a symbol to a table when the program starts.
struct AddSymbol {
  AddSymbol(SymbolTable& table, const char* name, void** address) { table.add(name, address); }
};

// Defines the C function `name`; `closed` is what it returns before the library is open.
#define NN_FORWARD(table, closed, result, name, parameters, arguments)                    \
  namespace {                                                                             \
  using name##Function = result parameters;                                               \
  name##Function* name##Found = nullptr;                                                  \
  const ::neuronode::cuda::AddSymbol name##Added(table, #name,                            \
                                                 reinterpret_cast<void**>(&name##Found)); \
  }                                                                                       \
  extern "C" result name parameters {                                                     \
    return name##Found == nullptr ? (closed) : name##Found arguments;                     \
  }

}  // namespace neuronode::cuda
