// The convolution family: the first attempt that the library has a plan for, with what the plan
// leaves out done by our own kernels after it; without any, a matrix product.
#include <algorithm>
#include <functional>
#include <utility>

#include "convolution/geometry.h"
#include "convolution/matrix_product.h"
#include "kernel_request.h"
#include "kernels/bias.h"
#include "kernels/reorder.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {

namespace {

// How a node is computed: how its tensors are stored, and what fills the result.
struct Recipe {
  std::string name;
  ConvProblem problem;  // its storage types count
  bool biasAfter = false, reluAfter = false;
  bool plannedBias = false;  // given to `run`, stored as y is
  size_t workspaceBytes = 0;
  std::function<void(const ConvPointers& pointers, void* workspace)> run;
};

Recipe chooseRecipe(const KernelRequest& request, const ConvProblem& geometry) {
  const bool bias = request.op() == Op::Conv2d && request.inputs.size() == 3;
  const bool relu = request.node.relu;
  PlanLimits limits;
  limits.deterministic = request.options.deterministic;
  limits.autotune = request.options.autotune;
  for (const ConvAttempt& attempt : convAttempts(geometry, request.options.precision, bias, relu)) {
    std::shared_ptr<ConvPlan> plan = request.context.planner().plan(attempt.problem, limits);
    if (!plan) continue;
    return {
        plan->name,
        attempt.problem,
        attempt.biasAfter,
        attempt.reluAfter,
        attempt.problem.bias,
        plan->workspaceBytes,
        [plan](const ConvPointers& pointers, void* workspace) { plan->run(pointers, workspace); }};
  }
  MatrixProduct product(request.context, geometry, request.options.precision,
                        limits.workspaceBytes);
  return {"im2col",
          product.problem(),
          bias,
          relu,
          false,
          product.workspaceBytes(),
          [product](const ConvPointers& pointers, void* workspace) {
            product.run(pointers, workspace);
          }};
}

class ConvolutionMaker {
 public:
  explicit ConvolutionMaker(const KernelRequest& request)
      : request_(request),
        stream_(request.context.compute()),
        geometry_(convGeometry(request.node.spec, request.inputs, request.outputs)),
        recipe_(chooseRecipe(request, geometry_.problem)) {
    x_ = request.layout(geometry_.x.as(recipe_.problem.x));
    filter_ = request.layout(geometry_.filter.as(recipe_.problem.filter));
    y_ = request.layout(geometry_.y.as(recipe_.problem.y));
  }

  std::unique_ptr<Kernel> make() const {
    switch (geometry_.problem.kind) {
      case ConvKind::Forward:
        return forward();
      case ConvKind::InputGrad:
        return inputGrad();
      case ConvKind::WeightGrad:
        break;
    }
    return weightGrad();
  }

  Layout inputLayout(size_t input) const {
    switch (geometry_.problem.kind) {
      case ConvKind::Forward:
        return input == 0 ? x_ : input == 1 ? filter_ : bias();
      case ConvKind::InputGrad:
        return input == 0 ? y_ : input == 1 ? filter_ : mask();
      case ConvKind::WeightGrad:
        break;
    }
    return input == 0 ? x_ : y_;
  }

 private:
  using Pointers = FunctionKernel::Pointers;

  Layout bias() const {
    return request_.plain(recipe_.plannedBias ? recipe_.problem.y : Storage::F32);
  }
  // The forward output is read as it is, so long as its elements lie as the gradient's do.
  Layout mask() const {
    const Layout present = request_.inputs[2].layout;
    return request_.info(present).order == Order::ChannelsLast ? present : x_;
  }

  // Shapes of results, row by row: [n * oh * ow, k].
  int64_t yRows() const {
    return geometry_.problem.n * geometry_.problem.oh * geometry_.problem.ow;
  }

  std::vector<Layout> inputLayouts() const {
    std::vector<Layout> layouts;
    for (size_t i = 0; i < request_.inputs.size(); ++i) layouts.push_back(inputLayout(i));
    return layouts;
  }

  std::unique_ptr<Kernel> kernel(std::string name, std::vector<Layout> outputs,
                                 FunctionKernel::Body body, size_t workspace) const {
    return std::make_unique<FunctionKernel>(std::move(name), inputLayouts(), std::move(outputs),
                                            std::move(body), workspace);
  }

  std::unique_ptr<Kernel> forward() const {
    std::string name = recipe_.name;
    if (recipe_.biasAfter) name += recipe_.reluAfter ? " then bias+relu" : " then bias";
    if (!recipe_.biasAfter && recipe_.reluAfter) name += " then relu";
    return kernel(
        std::move(name), {y_},
        [recipe = recipe_, stream = stream_, rows = yRows(), k = geometry_.problem.k](
            Pointers in, Pointers out, void* workspace) {
          recipe.run({in[0], in[1], recipe.plannedBias ? in[2] : nullptr, out[0]}, workspace);
          const Floats y{out[0], recipe.problem.y};
          if (recipe.biasAfter) {
            addBias(stream, y, as<const float>(in[2]), rows, k, k, recipe.reluAfter);
          } else if (recipe.reluAfter) {
            relu(stream, y, y, rows * k);
          }
        },
        recipe_.workspaceBytes);
  }

  std::unique_ptr<Kernel> inputGrad() const {
    const bool masked = request_.node.reluMask;
    const Storage maskStorage = masked ? request_.info(mask()).storage : Storage::F32;
    const ConvProblem& p = geometry_.problem;
    return kernel(
        masked ? recipe_.name + " then reluGrad" : recipe_.name, {x_},
        [recipe = recipe_, stream = stream_, masked, maskStorage, count = p.n * p.c * p.h * p.w](
            Pointers in, Pointers out, void* workspace) {
          recipe.run({out[0], in[1], nullptr, in[0]}, workspace);
          const Floats gx{out[0], recipe.problem.x};
          if (masked) reluGrad(stream, gx, {in[2], maskStorage}, gx, count);
        },
        recipe_.workspaceBytes);
  }

  std::unique_ptr<Kernel> weightGrad() const {
    const bool bias = request_.outputs.size() == 2;
    const int64_t rows = yRows(), k = geometry_.problem.k;
    const IndexMap filterMap = request_.map(filter_, request_.outputs[0].shape);
    const bool padded = filterMap.physicalCount != filterMap.plainCount;
    size_t workspace = recipe_.workspaceBytes;
    std::vector<Layout> outputs{filter_};
    std::string name = recipe_.name;
    if (padded) name += " then zero padding";
    if (bias) {
      outputs.push_back(request_.plain(Storage::F32));
      name += " then bias gradient";
      const auto partial = static_cast<size_t>(biasGradWorkspace(rows, k)) * sizeof(float);
      workspace = std::max(workspace, partial);
    }
    return kernel(
        std::move(name), std::move(outputs),
        [recipe = recipe_, stream = stream_, bias, padded, filterMap, rows, k](
            Pointers in, Pointers out, void* memory) {
          recipe.run({in[0], out[0], nullptr, in[1]}, memory);
          if (padded) zeroPadding(stream, {out[0], recipe.problem.filter}, filterMap);
          // The plan is done with the workspace: both are on one stream.
          if (bias) {
            biasGrad(stream, {in[1], recipe.problem.y}, rows, k, k, as<float>(out[1]),
                     as<float>(memory));
          }
        },
        workspace);
  }

  const KernelRequest& request_;
  cudaStream_t stream_;
  ConvGeometry geometry_;
  Recipe recipe_;
  Layout x_, filter_, y_;
};

}  // namespace

std::unique_ptr<Kernel> makeConvolution(const KernelRequest& request) {
  return ConvolutionMaker(request).make();
}

Layout preferredByConvolution(const KernelRequest& request, size_t input) {
  // The planner remembers what it was asked.
  return ConvolutionMaker(request).inputLayout(input);
}

}  // namespace neuronode::cuda
