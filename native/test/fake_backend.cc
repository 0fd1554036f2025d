#include "fake_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "error.h"
#include "graph/merge_updates.h"

namespace neuronode::test {

namespace {

// A tensor of floats as the plain order sees it.
class View {
 public:
  View(const TensorDesc& desc, void* data)
      : layout_(desc.layout), count_(elementCount(desc.shape)), data_(static_cast<float*>(data)) {}

  int64_t count() const { return count_; }
  float get(int64_t i) const { return data_[place(i)]; }
  void set(int64_t i, float value) {
    data_[place(i)] = layout_ == kRounded ? std::round(value) : value;
  }

 private:
  int64_t place(int64_t i) const { return layout_ == Layout::Plain ? i : count_ - 1 - i; }

  Layout layout_;
  int64_t count_;
  float* data_;
};

class FakeBuffer : public Buffer {
 public:
  FakeBuffer(size_t bytes, std::function<void()> onFree) : bytes_(bytes), onFree_(onFree) {}
  ~FakeBuffer() override { onFree_(); }

  void* data() override { return bytes_.data(); }
  size_t size() const override { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
  std::function<void()> onFree_;
};

class FakeKernel : public Kernel {
 public:
  using Body = std::function<void(std::vector<View>& in, std::vector<View>& out,
                                  const std::vector<void*>& pointers)>;

  FakeKernel(FakeBackend& backend, std::vector<TensorDesc> inputs, std::vector<TensorDesc> outputs,
             Body body)
      : backend_(backend), inputs_(std::move(inputs)), outputs_(std::move(outputs)), body_(body) {
    for (const TensorDesc& desc : inputs_) inputLayouts.push_back(desc.layout);
    for (const TensorDesc& desc : outputs_) outputLayouts.push_back(desc.layout);
    name = "fake";
  }

  void run(std::span<void* const> inputs, std::span<void* const> outputs, void*) override {
    const std::vector<void*> in(inputs.begin(), inputs.end()), out(outputs.begin(), outputs.end());
    backend_.enqueue([this, in, out] {
      std::vector<View> from, to;
      for (size_t i = 0; i < in.size(); ++i) from.emplace_back(inputs_[i], in[i]);
      for (size_t i = 0; i < out.size(); ++i) to.emplace_back(outputs_[i], out[i]);
      body_(from, to, in);
    });
  }

 private:
  FakeBackend& backend_;
  std::vector<TensorDesc> inputs_, outputs_;
  Body body_;
};

class FakeRun : public PendingRun {
 public:
  FakeRun(FakeBackend& backend, std::shared_ptr<std::vector<std::vector<std::byte>>> results)
      : backend_(backend), results_(std::move(results)) {
    ++backend_.underWay;
  }
  ~FakeRun() override { --backend_.underWay; }

  bool isDone() override { return false; }  // only ever when somebody waits
  std::vector<std::vector<std::byte>> finish() override {
    backend_.synchronize();
    return std::move(*results_);
  }

 private:
  FakeBackend& backend_;
  std::shared_ptr<std::vector<std::vector<std::byte>>> results_;
};

class FakeExecutor : public Executor {
 public:
  FakeExecutor(FakeBackend& backend, std::vector<Transfer> inputs, std::vector<Transfer> outputs)
      : backend_(backend), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  ~FakeExecutor() override { backend_.synchronize(); }

  std::unique_ptr<PendingRun> start(std::span<const void* const> inputs,
                                    const std::function<void()>& enqueue) override {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const auto* first = static_cast<const std::byte*>(inputs[i]);
      const std::vector<std::byte> staged(first, first + inputs_[i].bytes);
      backend_.enqueue([staged, device = inputs_[i].device] {
        std::memcpy(device, staged.data(), staged.size());
      });
    }
    try {
      enqueue();
    } catch (...) {
      backend_.synchronize();
      throw;
    }
    auto results = std::make_shared<std::vector<std::vector<std::byte>>>();
    for (const Transfer& output : outputs_) {
      backend_.enqueue([output, results] {
        results->emplace_back(output.bytes);
        std::memcpy(results->back().data(), output.device, output.bytes);
      });
    }
    return std::make_unique<FakeRun>(backend_, results);
  }

 private:
  FakeBackend& backend_;
  std::vector<Transfer> inputs_, outputs_;
};

// SGD of several parameters: p -= lr * (buffer = momentum * buffer + g).
FakeKernel::Body sgdBody(FakeBackend& backend, const FusedNode& node) {
  const auto size = static_cast<int>(node.spec.inputs.size());
  const int stride = updateStride(node);
  const bool hasBuffer = stride == 3;
  const float momentum = static_cast<float>(node.spec.attrs.number("momentum"));
  return [=, &backend, shadows = node.shadows, updates = node.updates](
             std::vector<View>& in, std::vector<View>& out, const std::vector<void*>& pointers) {
    backend.updateInputs = pointers;
    const auto lr = static_cast<float>(*static_cast<const double*>(pointers[size - 1]));
    for (int u = 0; u < updates; ++u) {
      View &p = in[u * stride], &g = in[u * stride + 1];
      for (int64_t i = 0; i < p.count(); ++i) {
        float step = g.get(i);
        if (hasBuffer) {
          View& buffer = in[u * stride + 2];
          step += momentum * buffer.get(i);
          buffer.set(i, step);
        }
        p.set(i, p.get(i) - lr * step);
      }
    }
    for (size_t s = 0; s < shadows.size(); ++s) {
      for (int64_t i = 0; i < out[s].count(); ++i) out[s].set(i, in[shadows[s]].get(i));
    }
  };
}

Layout wantedBy(const FusedNode& node) {
  if (node.spec.name == "reversed") return kReversed;
  if (node.spec.name == "rounded") return kRounded;
  return Layout::Undecided;
}

Layout decided(Layout layout) { return layout == Layout::Undecided ? Layout::Plain : layout; }

}  // namespace

void FakeBackend::enqueue(std::function<void()> work) {
  if (!asynchronous) return work();
  waiting_.push_back(std::move(work));
}

void FakeBackend::synchronize() {
  while (!waiting_.empty()) {
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    work();
  }
}

size_t FakeBackend::bytes(const TensorDesc& desc) const {
  return static_cast<size_t>(elementCount(desc.shape)) * dtypeSize(desc.dtype);
}

std::unique_ptr<Buffer> FakeBackend::allocate(size_t bytes) {
  if (bytes > availableBytes()) throw Error(errc::kOutOfMemory, "fake: no room");
  taken += bytes;
  ++allocations;
  return std::make_unique<FakeBuffer>(bytes, [this, bytes] {
    taken -= bytes;
    if (!waiting_.empty()) freedInUse = true;
  });
}

std::unique_ptr<Kernel> FakeBackend::makeKernel(const FusedNode& node,
                                                std::span<const TensorDesc> inputs,
                                                std::span<const TensorDesc> outputs,
                                                const KernelOptions&) {
  made.push_back(node);
  hints.push_back(outputs.empty() ? Layout::Undecided : outputs[0].layout);
  std::vector<TensorDesc> in(inputs.begin(), inputs.end()), out(outputs.begin(), outputs.end());
  for (TensorDesc& desc : in) {
    const Layout wanted = wantedBy(node);
    const bool chooses = wanted != Layout::Undecided && desc.dtype == DType::F32;
    desc.layout = chooses ? wanted : decided(desc.layout);
  }
  for (TensorDesc& desc : out) desc.layout = decided(desc.layout);
  switch (node.spec.op) {
    case Op::Add:
      return std::make_unique<FakeKernel>(*this, in, out, [](auto& from, auto& to, auto&) {
        for (int64_t i = 0; i < to[0].count(); ++i) to[0].set(i, from[0].get(i) + from[1].get(i));
      });
    case Op::Relu:
      return std::make_unique<FakeKernel>(*this, in, out, [](auto& from, auto& to, auto&) {
        for (int64_t i = 0; i < to[0].count(); ++i) to[0].set(i, std::max(from[0].get(i), 0.f));
      });
    case Op::SgdStep: {
      // In full precision, all as the parameter lies.
      const int stride = updateStride(node);
      for (int u = 0; u < node.updates; ++u) {
        const Layout layout = storageLayout(in[u * stride].layout);
        for (int i = 0; i < stride; ++i) in[u * stride + i].layout = layout;
      }
      return std::make_unique<FakeKernel>(*this, in, out, sgdBody(*this, node));
    }
    default:
      throw Error(errc::kArgument, "fake: no kernel");
  }
}

std::unique_ptr<Kernel> FakeBackend::makeReorder(const TensorDesc& from, const TensorDesc& to) {
  auto kernel = std::make_unique<FakeKernel>(*this, std::vector{from}, std::vector{to},
                                             [](auto& in, auto& out, auto&) {
                                               for (int64_t i = 0; i < out[0].count(); ++i)
                                                 out[0].set(i, in[0].get(i));
                                             });
  kernel->workspaceBytes = 64;
  return kernel;
}

std::unique_ptr<Executor> FakeBackend::makeExecutor(std::vector<Transfer> inputs,
                                                    std::vector<Transfer> outputs) {
  return std::make_unique<FakeExecutor>(*this, std::move(inputs), std::move(outputs));
}

void FakeBackend::upload(void* device, const void* host, size_t bytes) {
  synchronize();
  std::memcpy(device, host, bytes);
}

void FakeBackend::download(void* host, const void* device, size_t bytes) {
  synchronize();
  std::memcpy(host, device, bytes);
}

Layout FakeBackend::preferredLayout(const FusedNode& node, std::span<const TensorDesc> inputs,
                                    std::span<const TensorDesc>, size_t input,
                                    const KernelOptions&) {
  return inputs[input].dtype == DType::F32 ? wantedBy(node) : Layout::Undecided;
}

Layout FakeBackend::viewLayout(const TensorDesc& from, const Shape&) {
  return from.layout == kReversed ? kReversed : Layout::Undecided;
}

Layout FakeBackend::storageLayout(Layout wanted) { return wanted == kRounded ? kReversed : wanted; }

}  // namespace neuronode::test
