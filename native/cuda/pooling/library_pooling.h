// What the backend asks of a library for pooling: a pair of calls for one problem, or the answer
// that it does not serve. cuDNN's implementation is in cudnn_pooling.cc; tests bring an emulation.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <string>

#include "layouts.h"
#include "pooling/pooling.h"

namespace neuronode::cuda {

struct LibraryPoolProblem {
  PoolShape shape;  // channels-last; of averages, countIncludePad counts
  bool max = true;
  Storage storage = Storage::F32;  // of x, y and their gradients
  bool deterministic = false;      // of the gradient
};

// All pointers are dense device memory, channels-last. The result is overwritten.
class LibraryPool {
 public:
  virtual ~LibraryPool() = default;
  virtual void forward(const void* x, void* y) = 0;
  // Of maxima: what chose an element is read from x and y again.
  virtual void backward(const void* gy, const void* x, const void* y, void* gx) = 0;

  std::string kernelName;  // such as "cudnn maxPool"
};

class LibraryPooling {
 public:
  virtual ~LibraryPooling() = default;
  // Null where the library does not serve the problem: dilated windows, an output size that it
  // would compute differently (ceil mode), a type that it refuses.
  virtual std::shared_ptr<LibraryPool> make(const LibraryPoolProblem& problem) = 0;
};

// The one for `stream`, which it puts all work on. Throws ERR_NN_NATIVE with the library's words.
std::unique_ptr<LibraryPooling> makeLibraryPooling(cudaStream_t stream);

}  // namespace neuronode::cuda
