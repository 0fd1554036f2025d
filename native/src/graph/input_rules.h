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
  struct Count {
    std::string name;
    int64_t least, most;
    std::string why;  // of `least`
  };
  struct Labels {
    std::string name, count;  // the count empty where all rows are real
    int64_t rows;
    int64_t classes, ignored;
  };

  std::vector<Step> steps_;
  std::vector<Count> counts_;
  std::vector<Labels> labels_;
};

}  // namespace neuronode
