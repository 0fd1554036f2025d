// What the values of a run's inputs must be, beyond their shapes: checked on the host before the
// run starts, since a kernel on a GPU can tell nobody, and must not write outside because of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/spec.h"

namespace neuronode {

class InputRules {
 public:
  InputRules() = default;
  // Of labels, counts of rows and step numbers that `graph` takes as inputs.
  explicit InputRules(const GraphSpec& graph);

  // `find` gives the bytes of an input, which has the declared size. Throws ERR_NN_ARGUMENT.
  void check(const std::function<const void*(const std::string& name)>& find) const;

 private:
  struct Step {
    std::string name;
  };
  struct Loss {
    std::string labels, count;  // empty where it is no input
    int64_t rows;
    int64_t classes = 0, ignored = 0;  // of labels
  };

  std::vector<Step> steps_;
  std::vector<Loss> losses_;
};

}  // namespace neuronode
