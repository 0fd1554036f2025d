// Arrays that one random number generator fills, in the order in which they were asked for: by a
// thread of its own, or by whoever cannot wait for that.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>

#include "cpu/memory.h"
#include "math/random_stream.h"

namespace neuronode::binding {

class Draws {
 public:
  explicit Draws(const math::RandomStream& stream) : stream_(stream) {}

  // Asks for numbers at `out`, which must stay until they are there. Gives the number of the
  // request, from 1. Takes no time.
  uint64_t add(float* out, size_t count, const math::Distribution& distribution);

  // Fills everything up to the request of a number, unless it is filled. Any thread. Stops between
  // two requests once `cancelled` is set.
  void finish(uint64_t number, const std::atomic<bool>* cancelled = nullptr);

  uint64_t added() const { return added_; }

 private:
  struct Draw {
    float* out;
    size_t count;
    math::Distribution distribution;
    HostReservation pages;  // that the system has not given yet
  };

  std::mutex drawing_;         // before waitingMutex_
  math::RandomStream stream_;  // under drawing_
  std::mutex waitingMutex_;
  std::deque<Draw> waiting_;  // under waitingMutex_
  std::atomic<uint64_t> added_ = 0;
  std::atomic<uint64_t> filled_ = 0;
};

}  // namespace neuronode::binding
