// Places buffers with known lifetimes in one arena, so that those which never live at the same
// time share memory.
#pragma once

#include <cstddef>
#include <vector>

namespace neuronode {

struct Lifetime {
  size_t bytes = 0;
  int first = 0;      // the step that writes it
  int last = 0;       // the last step that reads it, inclusive
  size_t offset = 0;  // filled by planMemory
};

inline constexpr size_t kBufferAlignment = 64;

// Sets every offset; returns the arena's size. Largest first, each at the lowest offset that is
// free for its whole lifetime.
size_t planMemory(std::vector<Lifetime>& lifetimes);

}  // namespace neuronode
