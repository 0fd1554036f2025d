// The host's memory as device memory of the CPU backend.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "backend.h"

namespace neuronode {

// Bytes that this process may still take: the machine's available memory, or what its control
// groups leave where that is less; without what is reserved.
size_t availableMemory();

// Memory that was promised and is yet to be taken page by page, so that it is not promised twice:
// counted until the reservation goes.
class HostReservation {
 public:
  explicit HostReservation(size_t bytes);
  ~HostReservation();
  HostReservation(HostReservation&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)) {}
  HostReservation& operator=(HostReservation&&) = delete;

 private:
  size_t bytes_;
};

// Throws ERR_NN_OUT_OF_MEMORY where `bytes` exceeds availableMemory(). Copies on the host are
// checked by it too: they need no Buffer, but as much memory.
void checkHostMemory(size_t bytes);

// Wishes for large pages where memory is large, before it is first written to: they are taken
// several times faster than small ones, and spare kernels TLB misses. Small ones are as right.
void preferLargePages(void* data, size_t bytes);

// Zeros, 64-byte aligned at least. Throws ERR_NN_OUT_OF_MEMORY where `bytes` exceeds
// availableMemory(): an overcommitted mapping would succeed and get the process killed later.
std::unique_ptr<Buffer> allocateHostMemory(size_t bytes);

}  // namespace neuronode
