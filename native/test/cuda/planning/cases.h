// The convolutions whose planning is proved: those of the models at their usual batch, and those of
// the operation table.
#pragma once

#include <string>
#include <vector>

#include "convolution/geometry.h"

namespace neuronode::cuda::planning {

struct Case {
  std::string name;  // "alexnet.conv2 inputGrad bf16"
  ConvProblem geometry;
  Precision precision;
  bool bias, relu;
};

// `table` is the path of ts/test/op-cases.json.
std::vector<Case> planningCases(const std::string& table);

}  // namespace neuronode::cuda::planning
