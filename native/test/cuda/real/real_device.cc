// What portable tests ask of the emulation, on a real GPU: to begin anew, and whether something
// went wrong that no call reported. Orders cannot be drawn and nothing is counted:
// compute-sanitizer is for that.
#include <stdexcept>

#include "emulation/emulation.h"
#include "loading/libraries.h"
#include "status.h"

namespace neuronode::cuda::emulation {

Settings Settings::fromEnvironment() { return {}; }

void reset(const Settings&) {
  if (const auto problem = openLibraries()) throw std::runtime_error(problem->message);
  NN_CHECK_CUDA(cudaSetDevice(0));
}

void seed(uint64_t) {}

std::vector<std::string> violations() {
  const cudaError_t status = cudaDeviceSynchronize();
  if (status == cudaSuccess) return {};
  return {std::string("the device failed: ") + cudaGetErrorString(status)};
}

bool Live::none() const { return true; }
std::string Live::text() const { return "not known"; }
Live live() { return {}; }

}  // namespace neuronode::cuda::emulation
