#include "binding/draws.h"

#include <utility>

namespace neuronode::binding {

uint64_t Draws::add(float* out, size_t count, const math::Distribution& distribution) {
  std::lock_guard lock(waitingMutex_);
  waiting_.push_back({out, count, distribution, HostReservation(count * sizeof(float))});
  return ++added_;
}

void Draws::finish(uint64_t number, const std::atomic<bool>* cancelled) {
  if (filled_ >= number) return;
  std::lock_guard lock(drawing_);
  while (filled_ < number && !(cancelled && *cancelled)) {
    std::unique_lock waitingLock(waitingMutex_);
    const Draw draw = std::move(waiting_.front());
    waiting_.pop_front();
    waitingLock.unlock();
    preferLargePages(draw.out, draw.count * sizeof(float));
    stream_.fill(draw.out, draw.count, draw.distribution);
    ++filled_;
  }
}

}  // namespace neuronode::binding
