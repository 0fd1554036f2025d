// A device's own thread: jobs run on it one after the other, in the order of their arrival.
//
// The thread starts with the first job and is never joined: it idles when the process ends, and the
// binding waits for the jobs of an environment before that environment goes.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace neuronode {

class DeviceQueue {
 public:
  // Jobs must not throw. Throws std::system_error, with nothing queued, where the thread cannot be
  // started.
  void post(std::function<void()> job);

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool started_ = false;
};

}  // namespace neuronode
