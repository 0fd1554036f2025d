// From a convolution node to the problems that a library may be asked for, in the order of
// preference, and the layouts that go with them. Pure arithmetic: what runs them is in
// make_convolution.cc, and what cuDNN answers to them is in native/test/cuda/planning.
//
// Policy: everything is channels-last. A first layer (at most kMostSpaceToDepthChannels channels, a
// stride, no groups or dilation) is computed as a convolution of stride 1 over its input by
// space-to-depth, with filters by SpaceToDepthFilter; its gradient with respect to the input, which
// hardly anyone wants, is not.
#pragma once

#include <span>
#include <vector>

#include "backend.h"
#include "convolution/plan.h"
#include "layouts.h"

namespace neuronode::cuda {

inline constexpr int64_t kMostSpaceToDepthChannels = 4;

struct ConvGeometry {
  ConvProblem problem;  // storage, precision, bias and relu as the attempts have them
  // Layouts, as f32.
  LayoutInfo x, filter, y;
};

ConvGeometry convGeometry(const NodeSpec& spec, std::span<const TensorDesc> inputs,
                          std::span<const TensorDesc> outputs);

// One way to compute a node: a plan, and passes after it for what the plan leaves out.
struct ConvAttempt {
  ConvProblem problem;
  bool biasAfter = false;  // and ReLU with it, where both are wanted
  bool reluAfter = false;
};

// Without plans for any: as a matrix product, by matrix_product.h.
std::vector<ConvAttempt> convAttempts(const ConvProblem& geometry, Precision precision, bool bias,
                                      bool relu);

}  // namespace neuronode::cuda
