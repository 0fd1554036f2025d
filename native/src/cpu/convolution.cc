// Chooses a convolution's algorithm.
#include "cpu/conv_direct.h"

namespace neuronode {

std::unique_ptr<Kernel> makeConvolution(const KernelRequest& request) {
  return makeDirectConvolution(request);
}

}  // namespace neuronode
