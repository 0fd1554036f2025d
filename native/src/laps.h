// How long each of several pieces of work takes that are put on a device one behind the other.
#pragma once

#include <chrono>
#include <vector>

namespace neuronode {

class Laps {
 public:
  virtual ~Laps() = default;
  // Before the first piece, between any two, and behind the last. Waits for nothing.
  virtual void mark() = 0;
  // From each mark to the next. Waits for the work.
  virtual std::vector<double> milliseconds() = 0;
};

// Of a device whose work is done when the call returns.
class HostLaps final : public Laps {
 public:
  void mark() override { marks_.push_back(std::chrono::steady_clock::now()); }
  std::vector<double> milliseconds() override {
    std::vector<double> laps;
    for (size_t i = 1; i < marks_.size(); ++i) {
      laps.push_back(std::chrono::duration<double, std::milli>(marks_[i] - marks_[i - 1]).count());
    }
    return laps;
  }

 private:
  std::vector<std::chrono::steady_clock::time_point> marks_;
};

}  // namespace neuronode
