#include "executor.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "error.h"

namespace neuronode::cuda {

namespace {

// Whether steps are recorded: unless the environment says NEURONODE_CUDA_GRAPHS=off, so that what
// goes wrong can be told from what goes wrong under recording.
bool wantsRecording() {
  const char* value = std::getenv("NEURONODE_CUDA_GRAPHS");
  return value == nullptr || std::string_view(value) != "off";
}

// Transfers one behind the other in staging memory.
struct Staging {
  explicit Staging(std::vector<Transfer> all) : transfers(std::move(all)) {
    constexpr size_t kAlignment = 256;
    for (const Transfer& transfer : transfers) {
      offsets.push_back(bytes);
      bytes += (transfer.bytes + kAlignment - 1) / kAlignment * kAlignment;
    }
  }

  std::vector<Transfer> transfers;
  std::vector<size_t> offsets;
  size_t bytes = 0;
};

std::byte* offsetBy(void* base, size_t offset) { return static_cast<std::byte*>(base) + offset; }

class CudaRun;

struct Slot {
  Slot(const Staging& in, const Staging& out)
      : hostInputs(makePinnedMemory(in.bytes)),
        deviceInputs(makeDeviceMemory(in.bytes)),
        hostOutputs(makePinnedMemory(out.bytes)),
        uploaded(makeEvent()),
        done(makeEvent()) {}

  PinnedMemory hostInputs;
  DeviceMemory deviceInputs;
  PinnedMemory hostOutputs;
  Event uploaded, done;
  bool used = false;       // whether `done` stands for a run
  CudaRun* run = nullptr;  // whose results still lie here
};

class CudaRun : public PendingRun {
 public:
  CudaRun(Context& context, std::shared_ptr<Slot> slot, const Staging& outputs)
      : context_(context), slot_(std::move(slot)), outputs_(outputs) {
    slot_->run = this;
  }
  ~CudaRun() override { release(); }
  CudaRun(const CudaRun&) = delete;
  CudaRun& operator=(const CudaRun&) = delete;

  bool isDone() override {
    if (!slot_) return true;
    const cudaError_t status = cudaEventQuery(slot_->done.get());
    if (status != cudaSuccess) cudaGetLastError();
    // What failed is finish()'s to say: it waits for the same event.
    return status != cudaErrorNotReady;
  }

  std::vector<std::vector<std::byte>> finish() override {
    collect();
    return std::move(results_);
  }

  // Takes the results out of the slot, for which it waits.
  void collect() {
    if (!slot_) return;
    context_.health().throwIfLost();
    NN_CHECK_CUDA(cudaEventSynchronize(slot_->done.get()));
    for (size_t i = 0; i < outputs_.transfers.size(); ++i) {
      std::vector<std::byte>& result = results_.emplace_back(outputs_.transfers[i].bytes);
      std::memcpy(result.data(), offsetBy(slot_->hostOutputs.get(), outputs_.offsets[i]),
                  result.size());
    }
    release();
  }

 private:
  void release() {
    if (slot_) slot_->run = nullptr;
    slot_.reset();
  }

  Context& context_;
  std::shared_ptr<Slot> slot_;  // null once collected
  Staging outputs_;
  std::vector<std::vector<std::byte>> results_;
};

class CudaExecutor : public Executor {
 public:
  CudaExecutor(Context& context, std::vector<Transfer> inputs, std::vector<Transfer> outputs)
      : context_(context),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        slots_{std::make_shared<Slot>(inputs_, outputs_),
               std::make_shared<Slot>(inputs_, outputs_)} {}

  // The steps' memory goes next.
  ~CudaExecutor() override { drain(); }
  CudaExecutor(const CudaExecutor&) = delete;
  CudaExecutor& operator=(const CudaExecutor&) = delete;

  std::unique_ptr<PendingRun> start(std::span<const void* const> inputs,
                                    const std::function<void()>& enqueue) override {
    context_.health().throwIfLost();
    const std::shared_ptr<Slot>& slot = slots_[next_];
    free(*slot);
    auto run = std::make_unique<CudaRun>(context_, slot, outputs_);
    try {
      upload(*slot, inputs);
      step(enqueue);
      download(*slot);
    } catch (...) {
      abandonRecording();
      drain();
      throw;
    }
    slot->used = true;
    next_ = (next_ + 1) % slots_.size();
    return run;
  }

 private:
  static void free(Slot& slot) {
    if (slot.run) slot.run->collect();
    if (slot.used) NN_CHECK_CUDA(cudaEventSynchronize(slot.done.get()));
    slot.used = false;
  }

  void upload(Slot& slot, std::span<const void* const> inputs) {
    if (inputs_.bytes == 0) return;
    for (size_t i = 0; i < inputs_.transfers.size(); ++i) {
      std::memcpy(offsetBy(slot.hostInputs.get(), inputs_.offsets[i]), inputs[i],
                  inputs_.transfers[i].bytes);
    }
    NN_CHECK_CUDA(cudaMemcpyAsync(slot.deviceInputs.get(), slot.hostInputs.get(), inputs_.bytes,
                                  cudaMemcpyHostToDevice, context_.copy()));
    NN_CHECK_CUDA(cudaEventRecord(slot.uploaded.get(), context_.copy()));
    NN_CHECK_CUDA(cudaStreamWaitEvent(context_.compute(), slot.uploaded.get(), 0));
    for (size_t i = 0; i < inputs_.transfers.size(); ++i) {
      const Transfer& to = inputs_.transfers[i];
      NN_CHECK_CUDA(cudaMemcpyAsync(to.device,
                                    offsetBy(slot.deviceInputs.get(), inputs_.offsets[i]), to.bytes,
                                    cudaMemcpyDeviceToDevice, context_.compute()));
    }
  }

  void step(const std::function<void()>& enqueue) {
    if (!wentEagerly_ || !isRecorded_) {
      enqueue();
      wentEagerly_ = true;
      return;
    }
    if (!recording_) record(enqueue);
    NN_CHECK_CUDA(cudaGraphLaunch(recording_.get(), context_.compute()));
  }

  void record(const std::function<void()>& enqueue) {
    // Of this thread only: other devices' threads may allocate meanwhile.
    NN_CHECK_CUDA(cudaStreamBeginCapture(context_.compute(), cudaStreamCaptureModeThreadLocal));
    isRecording_ = true;
    enqueue();
    cudaGraph_t raw = nullptr;
    isRecording_ = false;
    const cudaError_t ended = cudaStreamEndCapture(context_.compute(), &raw);
    const Graph graph(raw);
    checkCuda(ended, "cudaStreamEndCapture");
    cudaGraphExec_t exec = nullptr;
    NN_CHECK_CUDA(cudaGraphInstantiate(&exec, graph.get(), 0));
    recording_.reset(exec);
  }

  void download(Slot& slot) {
    for (size_t i = 0; i < outputs_.transfers.size(); ++i) {
      const Transfer& from = outputs_.transfers[i];
      NN_CHECK_CUDA(cudaMemcpyAsync(offsetBy(slot.hostOutputs.get(), outputs_.offsets[i]),
                                    from.device, from.bytes, cudaMemcpyDeviceToHost,
                                    context_.compute()));
    }
    NN_CHECK_CUDA(cudaEventRecord(slot.done.get(), context_.compute()));
  }

  // Ends a recording that an exception cut short, so that the stream works again.
  void abandonRecording() noexcept {
    if (!std::exchange(isRecording_, false)) return;
    cudaGraph_t raw = nullptr;
    NN_REPORT_CUDA(cudaStreamEndCapture(context_.compute(), &raw));
    const Graph graph(raw);
  }

  // Waits for all that this executor put on the device.
  void drain() noexcept {
    NN_REPORT_CUDA(cudaStreamSynchronize(context_.copy()));
    NN_REPORT_CUDA(cudaStreamSynchronize(context_.compute()));
  }

  Context& context_;
  Staging inputs_, outputs_;
  std::array<std::shared_ptr<Slot>, 2> slots_;
  size_t next_ = 0;
  const bool isRecorded_ = wantsRecording();
  bool wentEagerly_ = false, isRecording_ = false;
  GraphExec recording_;
};

}  // namespace

std::unique_ptr<Executor> makeCudaExecutor(Context& context, std::vector<Transfer> inputs,
                                           std::vector<Transfer> outputs) {
  return std::make_unique<CudaExecutor>(context, std::move(inputs), std::move(outputs));
}

}  // namespace neuronode::cuda
