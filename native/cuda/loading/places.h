// Where NVIDIA's libraries are looked for, in this order:
//   1. the folders of NEURONODE_CUDA_LIBRARIES, colon separated;
//   2. `cuda` beside the backend library, then node_modules/neuronode-cuda-libraries/lib in the
//      folders above it: for packages that bring the libraries;
//   3. NVIDIA's Python wheels: of VIRTUAL_ENV and CONDA_PREFIX, what the project's own
//   cuda-toolchain
//      script unpacked, of every Python on PATH, of the user and of the system;
//   4. the system: LD_LIBRARY_PATH, /usr/local/cuda, the library folders.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace neuronode::cuda {

// Reads an environment variable; a test gives its own.
using Environment = std::function<std::optional<std::string>(const char* name)>;

// Folders to look in, best first, each once: whether they exist or not, since a message names them
// all, but of the many folders of Python and Node only those that are there.
std::vector<std::filesystem::path> placesToSearch(const Environment& environment,
                                                  const std::filesystem::path& backendLibrary);

}  // namespace neuronode::cuda
