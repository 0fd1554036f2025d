// Order of the work of a Winograd convolution: blocks of tiles go through stages, and all threads
// take units of work from whatever stage is ready.
//
// There are no barriers: cores are shared with data loading, and at a barrier every thread would
// wait for one that was sent to sleep. A stage waits only for the stages whose results it reads or
// whose buffers it takes over, and these lie at least one other stage back.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

namespace neuronode {

class WinogradPipeline {
 public:
  enum Stage { Filters, Gather, Multiply, Scatter, Collect };
  static constexpr int kStages = 5;
  static constexpr int kBuffers = 2;  // of transformed tiles: block b uses number b % kBuffers

  // Progress of one step, a stage of one block; in the caller's memory, on a cache line of its own.
  struct alignas(64) Progress {
    std::atomic<int> next{0};
    std::atomic<int> left{0};
  };

  static constexpr int steps(int blocks) { return 3 * (blocks + 2) + 2; }

  /// units[stage] of each block (of the whole for Filters and Collect) may be 0. With
  /// `accumulating`, Multiply of a block also waits for that of the block before.
  /// progress: steps(blocks) of them, uninitialised.
  WinogradPipeline(int blocks, const int (&units)[kStages], bool accumulating, Progress* progress)
      : blocks_(blocks), accumulating_(accumulating), progress_(progress) {
    std::copy(units, units + kStages, units_);
    for (int step = 0; step < steps(blocks); ++step) {
      std::construct_at(progress + step)->left = at(step).units;
    }
  }

  /// Calls run(stage, block, unit) for every unit, on all threads of the OpenMP team; returns when
  /// all are done.
  template <class Run>
  void run(Run run) {
#pragma omp parallel
    for (int step = 0; step < steps(blocks_); ++step) {
      const Step s = at(step);
      Progress& progress = progress_[step];
      bool ready = false;
      for (int unit; (unit = progress.next.fetch_add(1, std::memory_order_relaxed)) < s.units;) {
        if (!ready) awaitInputs(s);
        ready = true;
        run(s.stage, s.block, unit);
        progress.left.fetch_sub(1, std::memory_order_release);
      }
    }
  }

 private:
  struct Step {
    Stage stage;
    int block;
    int units;
  };

  // Gather runs one block ahead of Multiply, and Scatter one behind it.
  Step at(int step) const {
    if (step == 0) return {Filters, 0, units_[Filters]};
    if (step == steps(blocks_) - 1) return {Collect, 0, units_[Collect]};
    const int lag = (step - 1) % 3, block = (step - 1) / 3 - lag;
    const Stage stage = static_cast<Stage>(Gather + lag);
    return {stage, block, block >= 0 && block < blocks_ ? units_[stage] : 0};
  }

  void await(Stage stage, int block) const {
    if (block < 0) return;
    int step = 1 + 3 * (block + stage - Gather) + stage - Gather;
    if (stage == Filters) step = 0;
    while (progress_[step].left.load(std::memory_order_acquire) > 0) std::this_thread::yield();
  }

  void awaitInputs(const Step& step) const {
    switch (step.stage) {
      case Filters:
        return;
      case Gather:
        return await(Multiply, step.block - kBuffers);
      case Multiply:
        await(Filters, 0);
        await(Gather, step.block);
        await(Scatter, step.block - kBuffers);
        if (accumulating_) await(Multiply, step.block - 1);
        return;
      case Scatter:
        return await(Multiply, step.block);
      case Collect:
        return await(Multiply, blocks_ - 1);
    }
  }

  int blocks_;
  int units_[kStages];
  bool accumulating_;
  Progress* progress_;
};

}  // namespace neuronode
