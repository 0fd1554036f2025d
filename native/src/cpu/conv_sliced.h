// A oneDNN convolution whose bits do not depend on the number of threads: the batch is cut into
// slices by shape alone, and each slice is a primitive of one thread.
#pragma once

#include <functional>

#include "cpu/kernels.h"

namespace neuronode {

// Makes the kernel of fewer images: for a number of images, in the layouts of the kernel given, if
// any.
using SliceMaker = std::function<std::unique_ptr<Kernel>(int64_t images, const Kernel* like)>;

std::unique_ptr<Kernel> makeSlicedConvolution(const KernelRequest& request, const SliceMaker& make);

}  // namespace neuronode
