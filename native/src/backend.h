// What a device must offer: memory, and one kernel per operation. Knows of a graph no more than one
// node, and nothing of JS.
//
// Kernels are made at compile time and negotiate layouts: a kernel is given its inputs' present
// layouts and says which it wants; whoever makes it puts a reorder in front where they differ.
// A kernel allocates nothing and runs on the device's own thread only.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/spec.h"

namespace neuronode {

// Device memory, freed by the destructor. Fresh memory reads as zero.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual void* data() = 0;
  virtual size_t size() const = 0;
};

// A node after fusion.
struct FusedNode {
  NodeSpec spec;
  // Forward conv2d and linear: apply ReLU to the output.
  bool relu = false;
  // Input gradients: the last of spec.inputs is a forward ReLU's output (for maxPool2dGrad: the
  // pool's own output, whose input was a ReLU's); where it is not positive the gradient is zero.
  bool reluMask = false;
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // Pointers in the node's order of inputs and outputs, in the layouts below. `workspace` holds
  // workspaceBytes, 64-byte aligned, contents undefined.
  virtual void run(std::span<void* const> inputs, std::span<void* const> outputs,
                   void* workspace) = 0;

  std::string name;  // for plans and profiles, such as "winograd F(4x4,3x3)"
  std::vector<Layout> inputLayouts;
  std::vector<Layout> outputLayouts;
  size_t workspaceBytes = 0;
};

// Convolution: time what fits and take the fastest, or always the direct algorithm, or Winograd
// wherever there is a kernel of it.
enum class ConvAlgorithm { Auto, Direct, Winograd };

struct KernelOptions {
  ConvAlgorithm algorithm = ConvAlgorithm::Auto;
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual size_t bytes(const TensorDesc& desc) const = 0;
  // Throws ERR_NN_OUT_OF_MEMORY before taking what the machine does not have.
  virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;

  // Input layouts may be Undecided for parameters that no kernel has placed yet: the kernel then
  // chooses, as it does for its outputs.
  virtual std::unique_ptr<Kernel> makeKernel(const FusedNode& node,
                                             std::span<const TensorDesc> inputs,
                                             std::span<const TensorDesc> outputs,
                                             const KernelOptions& options) = 0;
  virtual std::unique_ptr<Kernel> makeReorder(const TensorDesc& from, const TensorDesc& to) = 0;

  // Host to device and back, plain bytes.
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
};

}  // namespace neuronode
