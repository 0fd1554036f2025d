#include "graph/spec.h"

#include <array>
#include <cmath>

#include "error.h"

namespace neuronode {

namespace {

constexpr std::array kOpNames = {
    "toFloat",
    "conv2d",
    "conv2dInputGrad",
    "conv2dWeightGrad",
    "linear",
    "linearInputGrad",
    "linearWeightGrad",
    "gemm",
    "maxPool2d",
    "maxPool2dGrad",
    "avgPool2d",
    "avgPool2dGrad",
    "adaptiveAvgPool2d",
    "adaptiveAvgPool2dGrad",
    "relu",
    "reluGrad",
    "sigmoid",
    "sigmoidGrad",
    "dropout",
    "dropoutGrad",
    "reshape",
    "add",
    "softmaxCrossEntropy",
    "softmax",
    "adamStep",
    "sgdStep",
};
static_assert(kOpNames.size() == static_cast<size_t>(Op::SgdStep) + 1);

}  // namespace

const char* opName(Op op) { return kOpNames[static_cast<size_t>(op)]; }

Op opFromName(const std::string& name) {
  for (size_t i = 0; i < kOpNames.size(); ++i) {
    if (name == kOpNames[i]) return static_cast<Op>(i);
  }
  throw Error(errc::kArgument, "unknown operation '" + name + "'");
}

std::vector<std::string> opNames() { return {kOpNames.begin(), kOpNames.end()}; }

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
