#include "cpu/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include "cpu/control_group.h"
#include "error.h"

namespace neuronode {

void preferLargePages([[maybe_unused]] void* data, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr size_t kLarge = size_t{4} << 20;
  if (bytes < kLarge) return;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (address + page - 1) / page * page;
  const uintptr_t end = (address + bytes) / page * page;
  madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
#endif
}

namespace {

class HostBuffer : public Buffer {
 public:
  explicit HostBuffer(size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) {
      data_ = nullptr;
      throw Error(errc::kOutOfMemory,
                  "cannot map " + std::to_string(bytes) + " bytes: " + std::strerror(errno));
    }
    preferLargePages(data_, bytes);
    // Takes the pages now: later buffers then see what is left, and no first use pays for them.
    std::memset(data_, 0, bytes);
  }
  ~HostBuffer() override {
    if (data_) munmap(data_, bytes_);
  }
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;

  void* data() override { return data_; }
  size_t size() const override { return bytes_; }

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

std::atomic<size_t> reservedBytes = 0;

}  // namespace

HostReservation::HostReservation(size_t bytes) : bytes_(bytes) { reservedBytes += bytes; }

HostReservation::~HostReservation() { reservedBytes -= bytes_; }

size_t availableMemory() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  size_t kibibytes = 0;
  std::string unit;
  size_t available = std::numeric_limits<size_t>::max();
  while (meminfo >> key >> kibibytes) {
    std::getline(meminfo, unit);
    if (key == "MemAvailable:") available = kibibytes << 10;
  }
  available = std::min(available, controlGroupMemoryLeft());
  return available - std::min<size_t>(available, reservedBytes);
}

void checkHostMemory(size_t bytes) {
  const size_t available = availableMemory();
  if (bytes > available) {
    throw Error(errc::kOutOfMemory, "cpu: " + mebibytes(bytes) + " MiB requested, " +
                                        mebibytes(available) +
                                        " MiB available; use a smaller batch or image size");
  }
}

std::unique_ptr<Buffer> allocateHostMemory(size_t bytes) {
  checkHostMemory(bytes);
  return std::make_unique<HostBuffer>(bytes);
}

}  // namespace neuronode
