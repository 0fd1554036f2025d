// What a device must offer: memory, and one kernel per operation. Knows of a graph no more than one
// node, and nothing of JS.
//
// Kernels are made at compile time and negotiate layouts: a kernel is given its inputs' present
// layouts and says which it wants; whoever makes it puts a reorder in front where they differ.
// A kernel allocates nothing and runs on the device's own thread only.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/spec.h"
#include "laps.h"
#include "math/rectifier.h"

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
  // Forward conv2d, linear and batch normalisation, and add: apply ReLU to the output.
  bool relu = false;
  // Forward batch normalisation: the last of spec.inputs is added to the output, before a ReLU.
  bool residual = false;
  // Input gradients and add: the last of spec.inputs is a forward ReLU's output (for maxPool2dGrad:
  // the pool's own output, whose input was a ReLU's); where it is not positive the gradient that
  // the node gives is zero. Gradients of batch normalisation: that which comes to the node is.
  bool reluMask = false;
  // batchNormGrad under Backend::recomputesMasks: the gradient that comes to it counts where the
  // rectified output of the forward pass lets it pass, which the kernel computes anew from x. The
  // forward pass's bias, if it has one, is the last of spec.inputs.
  bool reluOfInput = false;
  // Batch normalisation, its gradients and add: the ReLU meant above is ReLU6.
  bool relu6 = false;
  // maxPool2dGrad under PoolingKernel::Library: the pool's own input and output follow the indices
  // among spec.inputs, before the mask.
  bool poolTensors = false;
  // Optimizer steps of several parameters in one kernel, where the backend merges them: spec.inputs
  // are those of each step in turn, (parameter, gradient, state...)*, and then, once, the scalars
  // that they share: step, lr.
  int updates = 1;
  // Optimizer steps that were merged: the parameters (as inputs) of which the kernel writes a
  // rounded copy as well, as its outputs, in the layouts that those already have.
  std::vector<int> shadows = {};
};

// What of a fused ReLU the kernel applies to its output, or masks gradients by.
inline math::Rectifier rectifierOf(const FusedNode& node) {
  if (!node.relu && !node.reluMask && !node.reluOfInput) return {};
  return node.relu6 ? math::Rectifier{0.0f, 6.0f} : math::Rectifier{.low = 0.0f};
}

// A kernel's name with what was fused into it.
inline std::string fusedName(std::string name, const FusedNode& node) {
  if (node.residual) name += "+add";
  if (node.relu) name += node.relu6 ? "+relu6" : "+relu";
  if (node.reluMask || node.reluOfInput) name += node.relu6 ? "+relu6Grad" : "+reluGrad";
  return name;
}

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

// How products are computed. F32: in f32 throughout. TF32: operands rounded to 10 bits of mantissa.
// BF16: activations and operands stored as bf16; parameters, optimizer state, loss, reductions f32.
enum class Precision { F32, TF32, BF16 };

// Whose max-pooling a program uses: our own pair, or the device library's wherever it can serve.
enum class PoolingKernel { Own, Library };

struct KernelOptions {
  ConvAlgorithm algorithm = ConvAlgorithm::Auto;
  Precision precision = Precision::F32;
  PoolingKernel pooling = PoolingKernel::Own;
  // Refuse kernels whose result depends on the order of their threads, and choose none by its time.
  bool deterministic = false;
  bool autotune = false;  // time the device library's plans and take the fastest
};

// One transfer between host and device that every run makes.
struct Transfer {
  void* device = nullptr;
  size_t bytes = 0;
};

// A run under way.
class PendingRun {
 public:
  virtual ~PendingRun() = default;
  // Whether finish() would return at once; true of a run that failed. Throws nothing. The device's
  // thread asks while it has nothing else to do, so that a next run never waits behind one that is
  // being waited for.
  virtual bool isDone() { return true; }
  // Waits for the run to end; what it wrote, in the order of the executor's outputs. Once only.
  virtual std::vector<std::vector<std::byte>> finish() = 0;
};

// Puts the steps of one program on the device, run after run. Must go before the memory it uses.
class Executor {
 public:
  virtual ~Executor() = default;
  // `inputs` in the order of the executor's inputs, free for reuse on return. `enqueue` calls every
  // kernel once, always in the same order and with the same pointers; a backend which can record
  // them does not call it each time. A synchronous backend does all the work here. What `enqueue`
  // throws comes through, with nothing left under way.
  virtual std::unique_ptr<PendingRun> start(std::span<const void* const> inputs,
                                            const std::function<void()>& enqueue) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;

  // Whether kernels and executors return before their work is done.
  virtual bool isAsynchronous() const { return false; }
  // Waits for all work that was put on the device.
  virtual void synchronize() {}
  // By the device's own clock, so that no piece of work waits for the host or stands for its
  // waiting.
  virtual std::unique_ptr<Laps> makeLaps() { return std::make_unique<HostLaps>(); }

  virtual size_t bytes(const TensorDesc& desc) const = 0;
  // Throws ERR_NN_OUT_OF_MEMORY before taking what the machine does not have.
  virtual std::unique_ptr<Buffer> allocate(size_t bytes) = 0;
  // What allocate() could still take.
  virtual size_t availableBytes() const = 0;

  // Input layouts may be Undecided for parameters that no kernel has placed yet: the kernel then
  // chooses, as it does for its outputs. An output's layout is what its first reader prefers, as a
  // hint, and Undecided where that does not care.
  virtual std::unique_ptr<Kernel> makeKernel(const FusedNode& node,
                                             std::span<const TensorDesc> inputs,
                                             std::span<const TensorDesc> outputs,
                                             const KernelOptions& options) = 0;
  virtual std::unique_ptr<Kernel> makeReorder(const TensorDesc& from, const TensorDesc& to) = 0;

  virtual std::unique_ptr<Executor> makeExecutor(std::vector<Transfer> inputs,
                                                 std::vector<Transfer> outputs) = 0;

  // Host to device and back, plain bytes, after all work so far; done on return.
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;

  // The layout in which the kernel of `node` would like its input number `input`, before anything
  // has decided that input's layout; Undecided where it does not care.
  virtual Layout preferredLayout(const FusedNode& /*node*/, std::span<const TensorDesc> /*inputs*/,
                                 std::span<const TensorDesc> /*outputs*/, size_t /*input*/,
                                 const KernelOptions& /*options*/) {
    return Layout::Undecided;
  }
  // The layout in which the memory of `from`, untouched, is a tensor of shape `to` (a reshape);
  // Undecided where there is none, and the reshape goes by the plain layout.
  virtual Layout viewLayout(const TensorDesc& /*from*/, const Shape& /*to*/) {
    return Layout::Undecided;
  }
  // The layout in which a parameter or state is kept that kernels want in `wanted`: the same, or
  // its full-precision form. Kernels then read a copy, kept up to date as a shadow where possible.
  virtual Layout storageLayout(Layout wanted) { return wanted; }
  // Whether gradients of batch normalisation compute a ReLU's mask anew, where they would read it.
  virtual bool recomputesMasks() const { return false; }
  // Whether makeReorder goes from one layout of its own to another; else the way is by plain.
  virtual bool reordersDirectly(Layout from, Layout to) {
    return storageLayout(from) == storageLayout(to);
  }
  // Whether optimizer steps with equal attributes become one kernel.
  virtual bool mergesUpdates() const { return false; }
};

}  // namespace neuronode
