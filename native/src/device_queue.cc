#include "device_queue.h"

#include <chrono>
#include <thread>
#include <utility>

namespace neuronode {

void DeviceQueue::post(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    if (!started_) std::thread([this] { loop(); }).detach();
    started_ = true;
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void DeviceQueue::poll(std::function<bool()> attempt) { attempts_.push_back(std::move(attempt)); }

void DeviceQueue::pollOnce() {
  while (!attempts_.empty() && attempts_.front()()) attempts_.pop_front();
}

void DeviceQueue::loop() {
  // Short against a training step on any device, and long against asking one.
  constexpr auto kBetweenAttempts = std::chrono::microseconds(50);
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return !jobs_.empty(); };
      if (attempts_.empty()) {
        wake_.wait(lock, ready);
      } else {
        wake_.wait_for(lock, kBetweenAttempts, ready);
      }
      if (ready()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
    }
    if (job) job();
    job = nullptr;
    pollOnce();
  }
}

}  // namespace neuronode
