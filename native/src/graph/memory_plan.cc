#include "graph/memory_plan.h"

#include <algorithm>
#include <numeric>

namespace neuronode {

namespace {

size_t alignUp(size_t bytes) { return (bytes + kBufferAlignment - 1) & ~(kBufferAlignment - 1); }

bool overlap(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

}  // namespace

size_t planMemory(std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  size_t arena = 0;
  std::vector<const Lifetime*> placed;  // sorted by offset
  for (size_t index : order) {
    Lifetime& buffer = lifetimes[index];
    if (buffer.bytes == 0) continue;
    const size_t need = alignUp(buffer.bytes);
    size_t offset = 0;
    for (const Lifetime* other : placed) {
      if (!overlap(buffer, *other)) continue;
      if (offset + need <= other->offset) break;
      offset = std::max(offset, other->offset + alignUp(other->bytes));
    }
    buffer.offset = offset;
    arena = std::max(arena, offset + need);
    placed.insert(std::upper_bound(
                      placed.begin(), placed.end(), &buffer,
                      [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; }),
                  &buffer);
  }
  return arena;
}

}  // namespace neuronode
