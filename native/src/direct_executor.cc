#include "direct_executor.h"

#include <utility>

namespace neuronode {

namespace {

class FinishedRun : public PendingRun {
 public:
  explicit FinishedRun(std::vector<std::vector<std::byte>> results)
      : results_(std::move(results)) {}

  std::vector<std::vector<std::byte>> finish() override { return std::move(results_); }

 private:
  std::vector<std::vector<std::byte>> results_;
};

class DirectExecutor : public Executor {
 public:
  DirectExecutor(Backend& backend, std::vector<Transfer> inputs, std::vector<Transfer> outputs)
      : backend_(backend), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  std::unique_ptr<PendingRun> start(std::span<const void* const> inputs,
                                    const std::function<void()>& enqueue) override {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      backend_.upload(inputs_[i].device, inputs[i], inputs_[i].bytes);
    }
    enqueue();
    std::vector<std::vector<std::byte>> results;
    for (const Transfer& output : outputs_) {
      results.emplace_back(output.bytes);
      backend_.download(results.back().data(), output.device, output.bytes);
    }
    return std::make_unique<FinishedRun>(std::move(results));
  }

 private:
  Backend& backend_;
  std::vector<Transfer> inputs_, outputs_;
};

}  // namespace

std::unique_ptr<Executor> makeDirectExecutor(Backend& backend, std::vector<Transfer> inputs,
                                             std::vector<Transfer> outputs) {
  return std::make_unique<DirectExecutor>(backend, std::move(inputs), std::move(outputs));
}

}  // namespace neuronode
