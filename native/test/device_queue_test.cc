// The device's thread: jobs in their order, and attempts between them.
#include "device_queue.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace neuronode::test {
namespace {

// A queue's thread is never joined, so neither may the queue go.
DeviceQueue& newQueue() { return *new DeviceQueue(); }

void waitFor(std::future<void> future) {
  ASSERT_EQ(future.wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(DeviceQueue, RunsJobsInOrder) {
  DeviceQueue& queue = newQueue();
  std::vector<int> order;
  std::promise<void> done;
  for (int i = 0; i < 3; ++i) queue.post([&order, i] { order.push_back(i); });
  queue.post([&] { done.set_value(); });
  waitFor(done.get_future());
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
}

TEST(DeviceQueue, AttemptsKeepNoJobWaitingAndSucceedInOrder) {
  DeviceQueue& queue = newQueue();
  bool ready = false;  // on the queue's thread only, as all else
  std::vector<int> order;
  std::promise<void> polled, job, done;
  queue.post([&] {
    queue.poll([&, first = true]() mutable {
      if (first) polled.set_value();
      first = false;
      if (ready) order.push_back(1);
      return ready;
    });
    queue.poll([&] {
      order.push_back(2);
      done.set_value();
      return true;
    });
  });
  waitFor(polled.get_future());
  queue.post([&] { job.set_value(); });
  waitFor(job.get_future());
  queue.post([&] { ready = true; });
  waitFor(done.get_future());
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(DeviceQueue, GoesOnAfterItsLastAttempt) {
  DeviceQueue& queue = newQueue();
  std::promise<void> polled, job;
  queue.post([&] {
    queue.poll([&] {
      polled.set_value();
      return true;
    });
  });
  waitFor(polled.get_future());
  queue.post([&] { job.set_value(); });
  waitFor(job.get_future());
}

}  // namespace
}  // namespace neuronode::test
