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

  // From a job only: asks `attempt` again and again, between jobs and while there are none, until
  // it returns true. Attempts are kept in order: only the first is asked. This is how the thread
  // waits for work on a device without keeping the next job waiting.
  void poll(std::function<bool()> attempt);

 private:
  void loop();
  void pollOnce();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  std::deque<std::function<bool()>> attempts_;  // on the thread only
  bool started_ = false;
};

}  // namespace neuronode
