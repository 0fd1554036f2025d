#include "graph/spec.h"

#include <cmath>

#include "error.h"

namespace neuronode {

const char* phaseName(Phase phase) {
  switch (phase) {
    case Phase::Forward:
      return "forward";
    case Phase::Backward:
      return "backward";
    case Phase::Optimizer:
      return "optimizer";
  }
  return "?";
}

const std::vector<double>& Attrs::list(const std::string& name, size_t count) const {
  auto found = values_.find(name);
  if (found == values_.end()) {
    throw Error(errc::kArgument, "attribute '" + name + "' is missing");
  }
  if (found->second.size() != count) {
    throw Error(errc::kArgument, "attribute '" + name + "' has " +
                                     std::to_string(found->second.size()) + " numbers, expected " +
                                     std::to_string(count));
  }
  return found->second;
}

double Attrs::number(const std::string& name) const { return list(name, 1)[0]; }

namespace {

int64_t toInteger(double value, const std::string& name) {
  if (!(std::abs(value) <= 9007199254740991.0) || value != std::floor(value)) {
    throw Error(errc::kArgument, "attribute '" + name + "' is no integer");
  }
  return static_cast<int64_t>(value);
}

}  // namespace

int64_t Attrs::integer(const std::string& name) const { return toInteger(number(name), name); }

Attrs::Pair Attrs::pair(const std::string& name) const {
  const std::vector<double>& values = list(name, 2);
  return {toInteger(values[0], name), toInteger(values[1], name)};
}

}  // namespace neuronode
