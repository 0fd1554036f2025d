// NVIDIA's libraries, found and opened while the program runs: cuBLASLt, cuBLAS, cuDNN and NVRTC.
// None is linked, so that neuronode_cuda loads, and can say what is missing, on any machine. The
// CUDA runtime is linked statically and finds the driver itself.
//
// Policy: libraries are opened by absolute path, local, and never closed. The C functions that the
// backend calls are defined in forward_*.cc and forward to what was opened here; calling one before
// openLibraries() has succeeded returns the library's own "not initialized". The emulation defines
// all of this file's functions anew.
#pragma once

#include <optional>
#include <string>

namespace neuronode::cuda {

struct LibraryProblem {
  const char* code;  // ERR_NN_LIBRARY_MISSING or ERR_NN_LIBRARY_VERSION
  std::string message;
};

// Opens what is not open yet. Any thread; the work is done once, and the outcome is kept.
std::optional<LibraryProblem> openLibraries();

struct LibraryFacts {
  std::string cublas, cudnn, nvrtc;  // versions, "13.1.1"; nvrtc empty where there is none
  std::string cublasPath, cudnnPath;
};

// What is open, opening it where need be; empty where that fails.
LibraryFacts openedLibraries();

// Whether this is the tests' imitation of CUDA rather than CUDA.
bool isEmulated();

}  // namespace neuronode::cuda
