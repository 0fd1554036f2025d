// Every operation, once: the enumeration and all that the graph layer must know of each are made
// from the one list below. What an operation computes is its backends' business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "math/activation.h"
#include "math/arithmetic.h"
#include "math/optimizer.h"

namespace neuronode {

// Where an operation is at home: graph/checks/<family>.cc, cpu/<family>, cuda/<family>.
enum class Family : uint8_t {
  Conversion,
  Convolution,
  Linear,
  Pooling,
  Pointwise,
  Dropout,
  Reshape,
  Joining,
  Reduction,
  Softmax,
  Loss,
  Optimizer,
  Normalisation,
  Resampling,
};

// The rows: enumerator, name, family, the check in graph/checks, and whatever of OpInfo differs
// from its defaults. Activations, arithmetic and optimizers have their rows in native/src/math; an
// activation's stands for its gradient as well.
#define NN_OPERATIONS(OP, ACTIVATION, ARITHMETIC, OPTIMIZER)                                     \
  OP(ToFloat, toFloat, Conversion, checkToFloat)                                                 \
  OP(Conv2d, conv2d, Convolution, checkConv2d, .inputs = {2, 3})                                 \
  OP(Conv2dInputGrad, conv2dInputGrad, Convolution, checkConv2dInputGrad, .inputs = {2, 2})      \
  OP(Conv2dWeightGrad, conv2dWeightGrad, Convolution, checkConv2dWeightGrad, .inputs = {2, 2},   \
     .outputs = {1, 2})                                                                          \
  OP(Linear, linear, Linear, checkLinear, .inputs = {2, 3})                                      \
  OP(LinearInputGrad, linearInputGrad, Linear, checkLinearInputGrad, .inputs = {2, 2})           \
  OP(LinearWeightGrad, linearWeightGrad, Linear, checkLinearWeightGrad, .inputs = {2, 2},        \
     .outputs = {1, 2})                                                                          \
  OP(Gemm, gemm, Linear, checkGemm, .inputs = {2, 2})                                            \
  OP(MaxPool2d, maxPool2d, Pooling, checkMaxPool2d, .outputs = {1, 2})                           \
  OP(MaxPool2dGrad, maxPool2dGrad, Pooling, checkMaxPool2dGrad, .inputs = {2, 2})                \
  OP(AvgPool2d, avgPool2d, Pooling, checkAvgPool2d)                                              \
  OP(AvgPool2dGrad, avgPool2dGrad, Pooling, checkAvgPool2dGrad)                                  \
  OP(AdaptiveAvgPool2d, adaptiveAvgPool2d, Pooling, checkAdaptiveAvgPool2d)                      \
  OP(AdaptiveAvgPool2dGrad, adaptiveAvgPool2dGrad, Pooling, checkAdaptiveAvgPool2dGrad)          \
  OP(Interpolate, interpolate, Resampling, checkInterpolate)                                     \
  OP(InterpolateGrad, interpolateGrad, Resampling, checkInterpolateGrad)                         \
  OP(BatchNorm, batchNorm, Normalisation, checkBatchNorm, .inputs = {2, 4}, .outputs = {3, 3},   \
     .count = 1, .leastValues = 2)                                                               \
  OP(BatchNormGrad, batchNormGrad, Normalisation, checkBatchNormGrad, .inputs = {5, 6},          \
     .outputs = {1, 3}, .count = 4, .leastValues = 2)                                            \
  OP(BatchNormInference, batchNormInference, Normalisation, checkBatchNormInference,             \
     .inputs = {3, 5})                                                                           \
  OP(BatchNormInferenceGrad, batchNormInferenceGrad, Normalisation, checkBatchNormInferenceGrad, \
     .inputs = {4, 5}, .outputs = {1, 3})                                                        \
  OP(BatchNormUpdate, batchNormUpdate, Normalisation, checkBatchNormUpdate, .inputs = {5, 6},    \
     .outputs = {0, 0}, .updates = 0b111000)                                                     \
  OP(GroupNorm, groupNorm, Normalisation, checkGroupNorm, .inputs = {1, 3}, .outputs = {3, 3})   \
  OP(GroupNormGrad, groupNormGrad, Normalisation, checkGroupNormGrad, .inputs = {4, 5},          \
     .outputs = {1, 3})                                                                          \
  NN_ACTIVATIONS(ACTIVATION)                                                                     \
  NN_ARITHMETIC(ARITHMETIC)                                                                      \
  OP(Dropout, dropout, Dropout, checkDropout, .inputs = {2, 2})                                  \
  OP(DropoutGrad, dropoutGrad, Dropout, checkDropout, .inputs = {2, 2})                          \
  OP(LocalResponseNorm, localResponseNorm, Normalisation, checkLocalResponseNorm)                \
  OP(LocalResponseNormGrad, localResponseNormGrad, Normalisation, checkLocalResponseNormGrad,    \
     .inputs = {2, 2})                                                                           \
  OP(Reshape, reshape, Reshape, checkReshape)                                                    \
  OP(Fill, fill, Joining, checkFill, .inputs = {0, 0})                                           \
  OP(Expand, expand, Joining, checkExpand)                                                       \
  OP(Concat, concat, Joining, checkConcat, .inputs = {1, 1024})                                  \
  OP(Slice, slice, Joining, checkSlice)                                                          \
  OP(Pad, pad, Joining, checkPad)                                                                \
  OP(PadGrad, padGrad, Joining, checkPadGrad)                                                    \
  OP(Sum, sum, Reduction, checkSum)                                                              \
  OP(Softmax, softmax, Softmax, checkSoftmax)                                                    \
  OP(SoftmaxGrad, softmaxGrad, Softmax, checkSoftmaxGrad, .inputs = {2, 2})                      \
  OP(LogSoftmax, logSoftmax, Softmax, checkSoftmax)                                              \
  OP(LogSoftmaxGrad, logSoftmaxGrad, Softmax, checkSoftmaxGrad, .inputs = {2, 2})                \
  OP(SoftmaxCrossEntropy, softmaxCrossEntropy, Loss, checkSoftmaxCrossEntropy, .inputs = {3, 4}, \
     .outputs = {2, 3}, .labels = 1, .count = 2)                                                 \
  OP(NllLoss, nllLoss, Loss, checkNllLoss, .inputs = {3, 4}, .outputs = {2, 3}, .labels = 1,     \
     .count = 2)                                                                                 \
  OP(MseLoss, mseLoss, Loss, checkElementLoss, .inputs = {3, 3}, .outputs = {1, 2}, .count = 2)  \
  OP(L1Loss, l1Loss, Loss, checkElementLoss, .inputs = {3, 3}, .outputs = {1, 2}, .count = 2)    \
  OP(SmoothL1Loss, smoothL1Loss, Loss, checkSmoothL1Loss, .inputs = {3, 3}, .outputs = {1, 2},   \
     .count = 2)                                                                                 \
  OP(BinaryCrossEntropyWithLogits, binaryCrossEntropyWithLogits, Loss, checkElementLoss,         \
     .inputs = {3, 5}, .outputs = {1, 2}, .count = 2)                                            \
  NN_OPTIMIZERS(OPTIMIZER)

#define NN_ROW(Op, ...) Op,
#define NN_ACTIVATION_ROW(Op, ...) Op, Op##Grad,
enum class Op : uint8_t { NN_OPERATIONS(NN_ROW, NN_ACTIVATION_ROW, NN_ROW, NN_ROW) };
#undef NN_ROW
#undef NN_ACTIVATION_ROW

class NodeChecker;

// Inputs by position, a bit each.
using InputSet = uint32_t;

struct OpInfo {
  struct Count {
    size_t least, most;
  };

  static constexpr int kNone = -1;

  const char* name;
  Family family;
  // Throws where kernels could not run a node of these counts safely.
  void (*check)(const NodeChecker& node);
  Count inputs = {1, 1};
  Count outputs = {1, 1};
  // The inputs that it updates in place, which must be parameters or state.
  InputSet updates = 0;
  // How many of the last inputs are scalars that merged steps share, the step's number first: it
  // must be at least 1. Only optimizer steps have any.
  size_t shared = 0;
  // i32 inputs whose values are checked on the host before a run: a class of input 0 [N, C] for
  // each row, or the attribute ignoreIndex, and how many of input 0's rows are real. Labels that
  // are floats are probabilities, and may be anything.
  int labels = kNone;
  int count = kNone;
  // How many values a channel of input 0 must have in the real rows.
  int64_t leastValues = 0;
};

const OpInfo& opInfo(Op op);

// Whether it is an activation's gradient, whose second input is that activation's output or input.
bool isActivationGrad(Op op);

inline const char* opName(Op op) { return opInfo(op).name; }
// Throws ERR_NN_ARGUMENT for a name that is none of ours.
Op opFromName(const std::string& name);
// Every operation, in the enumeration's order.
const std::vector<Op>& allOps();

}  // namespace neuronode
