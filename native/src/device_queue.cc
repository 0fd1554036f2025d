#include "device_queue.h"

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

void DeviceQueue::loop() {
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !jobs_.empty(); });
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace neuronode
