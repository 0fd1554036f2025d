#include "graph/op_table.h"

#include <array>

#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

namespace {

// One contract for all optimizers: parameter, gradient, state..., step, lr. All but the gradient
// and the two scalars is updated. Its rule says how many tensors of state there must be.
constexpr size_t kScalars = 2;
constexpr InputSet kAllButGradient = ~(InputSet{1} << 1);

#define NN_ROW(Op, opName, opFamily, opCheck, ...) \
  OpInfo{.name = #opName, .family = Family::opFamily, .check = opCheck, __VA_ARGS__},
#define NN_ACTIVATION_ROW(Op, opName, ...)       \
  NN_ROW(Op, opName, Pointwise, checkActivation) \
  NN_ROW(Op##Grad, opName##Grad, Pointwise, checkActivationGrad, .inputs = {2, 2})
#define NN_ARITHMETIC_ROW(Op, opName) \
  NN_ROW(Op, opName, Pointwise, checkArithmetic, .inputs = {2, 2})
#define NN_OPTIMIZER_ROW(Op, opName, ...)                                               \
  NN_ROW(Op, opName, Optimizer, checkOptimizerStep,                                     \
         .inputs = {2 + kScalars, 2 + math::kMostStates + kScalars}, .outputs = {0, 0}, \
         .updates = kAllButGradient, .shared = kScalars)

const std::array kTable = {
    NN_OPERATIONS(NN_ROW, NN_ACTIVATION_ROW, NN_ARITHMETIC_ROW, NN_OPTIMIZER_ROW)};

}  // namespace

const OpInfo& opInfo(Op op) { return kTable[static_cast<size_t>(op)]; }

bool isActivationGrad(Op op) { return opInfo(op).check == checkActivationGrad; }

const std::vector<Op>& allOps() {
  static const std::vector<Op> ops = [] {
    std::vector<Op> all;
    for (size_t i = 0; i < kTable.size(); ++i) all.push_back(static_cast<Op>(i));
    return all;
  }();
  return ops;
}

Op opFromName(const std::string& name) {
  for (const Op op : allOps()) {
    if (name == opName(op)) return op;
  }
  throw Error(errc::kArgument, "unknown operation '" + name + "'");
}

}  // namespace neuronode
