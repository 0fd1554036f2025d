// A weight gradient by oneDNN whose bits do not depend on the number of threads: the batch is cut
// into slices by shape alone, each slice is a primitive of one thread, and the slices' gradients
// are added in their order.
#pragma once

#include <functional>

#include "cpu/kernels.h"

namespace neuronode {

// Makes the kernel of so many images, in the layouts of the kernel given, if any.
using SliceMaker = std::function<std::unique_ptr<Kernel>(int64_t images, const Kernel* like)>;

std::unique_ptr<Kernel> makeSlicedWeightGrad(const KernelRequest& request, const SliceMaker& make);

}  // namespace neuronode
