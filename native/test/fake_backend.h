// A backend of toy layouts and kernels for the tests of the graph layer, asynchronous where asked.
//
// Floats lie in the plain order, reversed, or reversed and rounded to whole numbers: as CUDA's
// filters lie in a layout of their own and are read in half the precision. A node's name says what
// its kernel wants of its float inputs: "reversed" and "rounded" that layout, other names whatever
// comes. Values are written as their hint says, else plain.
//
// Asynchronous, all work waits in a queue until something has to wait for it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"

namespace neuronode::test {

inline constexpr Layout kReversed = static_cast<Layout>(kFirstRegisteredLayout);
inline constexpr Layout kRounded = static_cast<Layout>(kFirstRegisteredLayout + 1);

class FakeBackend : public Backend {
 public:
  // What a test chooses.
  bool asynchronous = false;
  bool merges = false;
  size_t memory = size_t{1} << 30;  // what allocate() gives in all

  // What a test looks at.
  std::vector<FusedNode> made;      // every node that a kernel was made for
  std::vector<Layout> hints;        // of the first outputs of those
  std::vector<void*> updateInputs;  // pointers of the last optimizer step that ran
  size_t taken = 0;                 // bytes allocated now
  int allocations = 0;              // ever
  bool freedInUse = false;          // memory went while work was waiting
  int underWay = 0;                 // pending runs that were not finished

  bool isAsynchronous() const override { return asynchronous; }
  void synchronize() override;
  size_t bytes(const TensorDesc& desc) const override;
  std::unique_ptr<Buffer> allocate(size_t bytes) override;
  size_t availableBytes() const override { return memory - taken; }
  std::unique_ptr<Kernel> makeKernel(const FusedNode& node, std::span<const TensorDesc> inputs,
                                     std::span<const TensorDesc> outputs,
                                     const KernelOptions& options) override;
  std::unique_ptr<Kernel> makeReorder(const TensorDesc& from, const TensorDesc& to) override;
  std::unique_ptr<Executor> makeExecutor(std::vector<Transfer> inputs,
                                         std::vector<Transfer> outputs) override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  Layout preferredLayout(const FusedNode& node, std::span<const TensorDesc> inputs,
                         std::span<const TensorDesc> outputs, size_t input,
                         const KernelOptions& options) override;
  Layout viewLayout(const TensorDesc& from, const Shape& to) override;
  Layout storageLayout(Layout wanted) override;
  bool mergesUpdates() const override { return merges; }

  // Now, or behind the work that waits.
  void enqueue(std::function<void()> work);

 private:
  std::deque<std::function<void()>> waiting_;
};

}  // namespace neuronode::test
