// A kernel whose work is one function: what it needs is in the closure. For every backend.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "backend.h"

namespace neuronode {

class FunctionKernel : public Kernel {
 public:
  using Pointers = std::span<void* const>;
  using Body = std::function<void(Pointers inputs, Pointers outputs, void* workspace)>;

  FunctionKernel(std::string kernelName, std::vector<Layout> in, std::vector<Layout> out, Body body,
                 size_t workspace = 0)
      : body_(std::move(body)) {
    name = std::move(kernelName);
    inputLayouts = std::move(in);
    outputLayouts = std::move(out);
    workspaceBytes = workspace;
  }

  void run(Pointers inputs, Pointers outputs, void* workspace) override {
    body_(inputs, outputs, workspace);
  }

 private:
  Body body_;
};

template <typename T>
T* as(void* pointer) {
  return static_cast<T*>(pointer);
}

// The floats at `index`; null where there are not that many tensors, as of what is optional.
inline float* floatsAt(FunctionKernel::Pointers pointers, size_t index) {
  return index < pointers.size() ? as<float>(pointers[index]) : nullptr;
}

}  // namespace neuronode
