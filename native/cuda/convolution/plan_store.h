// Plans on disk, from one process to the next: a file for each key, which names all that a plan
// depends on.
//
// Policy: a cache, so that nothing here throws. A file that is damaged, foreign or of another key
// is as good as none, and is written anew; where the folder cannot be made or written, nothing is
// kept. Files are written beside and renamed: a reader sees a whole one or none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace neuronode::cuda {

struct StoredPlan {
  std::string engine;
  std::vector<uint8_t> data;
};

class PlanStore {
 public:
  // The environment's NEURONODE_PLAN_CACHE (empty: none), or neuronode/plans in the user's cache
  // folder.
  static std::string defaultFolder();

  // Made where it is not there, readable by its owner only; an empty name keeps nothing.
  explicit PlanStore(std::string folder);

  std::optional<StoredPlan> read(const std::string& key) const;
  void write(const std::string& key, const StoredPlan& plan) const;

  // Where `key` is kept.
  std::string path(const std::string& key) const;

 private:
  std::string folder_;  // empty: off
};

}  // namespace neuronode::cuda
