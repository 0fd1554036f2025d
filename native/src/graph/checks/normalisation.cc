#include <cstdint>

#include "error.h"
#include "graph/check_node.h"

namespace neuronode {

namespace {

// x: [N, C, H, W]; what each channel has one of: [C].
struct Images {
  explicit Images(const NodeChecker& checked, const ValueSpec& x) : node(checked), shape(x.shape) {
    node.rank(x, 4, "input");
    node.expect(x, DType::F32, shape, "input");
    if (!(node.attrs().number("eps") >= 0)) {
      node.fail(errc::kArgument, "eps must be at least 0");
    }
  }

  void channels(const ValueSpec& value, const char* what) const {
    node.expect(value, DType::F32, {shape[1]}, what);
  }
  // Whatever inputs come from `first` on.
  void weightAndBias(size_t first) const {
    if (node.inputs() > first) channels(node.in(first), "weight");
    if (node.inputs() > first + 1) channels(node.in(first + 1), "bias");
  }
  void gradients() const {
    node.expect(node.in(0), DType::F32, shape, "gradient");
    channels(node.in(2), "mean");
    channels(node.in(3), "variance");
    node.expect(node.out(0), DType::F32, shape, "gradient");
    for (size_t i = 1; i < node.outputs(); ++i) channels(node.out(i), "gradient");
  }

  const NodeChecker& node;
  const Shape& shape;
};

}  // namespace

void checkBatchNorm(const NodeChecker& node) {
  const Images images(node, node.in(0));
  node.expect(node.in(1), DType::I32, {}, "count");
  images.weightAndBias(2);
  node.expect(node.out(0), DType::F32, images.shape, "output");
  images.channels(node.out(1), "mean");
  images.channels(node.out(2), "variance");
}

void checkBatchNormGrad(const NodeChecker& node) {
  const Images images(node, node.in(1));
  images.gradients();
  node.expect(node.in(4), DType::I32, {}, "count");
  images.weightAndBias(5);
}

void checkBatchNormInference(const NodeChecker& node) {
  const Images images(node, node.in(0));
  images.channels(node.in(1), "mean");
  images.channels(node.in(2), "variance");
  images.weightAndBias(3);
  node.expect(node.out(0), DType::F32, images.shape, "output");
}

void checkBatchNormInferenceGrad(const NodeChecker& node) {
  const Images images(node, node.in(1));
  images.gradients();
  images.weightAndBias(4);
}

void checkBatchNormUpdate(const NodeChecker& node) {
  node.rank(node.in(0), 1, "mean");
  const Shape& channels = node.in(0).shape;
  for (const auto& [input, what] :
       {std::pair{0, "mean"}, std::pair{1, "variance"}, std::pair{3, "running mean"},
        std::pair{4, "running variance"}}) {
    node.expect(node.in(input), DType::F32, channels, what);
  }
  node.expect(node.in(2), DType::I32, {}, "count");
  if (node.inputs() == 6) node.expect(node.in(5), DType::I32, {}, "number of batches");
  node.attrs().number("momentum");
  if (node.attrs().flag("cumulative") && node.inputs() < 6) {
    node.fail(errc::kArgument, "a cumulative mean needs the number of batches");
  }
  if (node.attrs().integer("pixels") < 1) node.fail(errc::kArgument, "pixels must be at least 1");
}

namespace {

// x and what has its shape: [N, C, ...].
void checkResponses(const NodeChecker& node, const ValueSpec& x) {
  if (x.shape.size() < 2) node.fail(errc::kShape, "the input must have at least 2 dimensions");
  for (size_t i = 0; i < node.inputs(); ++i) node.expect(node.in(i), DType::F32, x.shape, "input");
  node.expect(node.out(0), DType::F32, x.shape, "output");
  const int64_t size = node.attrs().integer("size");
  if (size < 1 || size > int64_t{1} << 20) {
    node.fail(errc::kArgument, "size must be from 1 to 2^20");
  }
  node.attrs().number("beta");
  if (!(node.attrs().number("alpha") >= 0) || !(node.attrs().number("k") >= 0)) {
    node.fail(errc::kArgument, "alpha and k must be at least 0");
  }
}

}  // namespace

void checkLocalResponseNorm(const NodeChecker& node) { checkResponses(node, node.in(0)); }

// gy and x.
void checkLocalResponseNormGrad(const NodeChecker& node) { checkResponses(node, node.in(1)); }

namespace {

// x: [N, C] or [N, C, H, W], in groups of neighbouring channels.
void checkGroups(const NodeChecker& node, const ValueSpec& x) {
  node.expect(x, DType::F32, x.shape, "input");
  if (x.shape.size() != 2 && x.shape.size() != 4) {
    node.fail(errc::kShape, "the input must have 2 or 4 dimensions, got " + shapeString(x.shape));
  }
  if (!(node.attrs().number("eps") >= 0)) node.fail(errc::kArgument, "eps must be at least 0");
  const int64_t groups = node.attrs().integer("groups");
  if (groups < 1 || x.shape[1] % groups != 0) {
    node.fail(errc::kArgument, "groups must divide the channels");
  }
  // Kernels count the elements of a group in 32 bits.
  if (elementCount(x.shape) / x.shape[0] / groups > INT32_MAX) {
    node.fail(errc::kShape, "a group of " + shapeString(x.shape) + " has too many elements");
  }
}

void expectGroups(const NodeChecker& node, const ValueSpec& x, const ValueSpec& value,
                  const char* what) {
  node.expect(value, DType::F32, {x.shape[0], node.attrs().integer("groups")}, what);
}

}  // namespace

void checkGroupNorm(const NodeChecker& node) {
  const ValueSpec& x = node.in(0);
  checkGroups(node, x);
  for (size_t i = 1; i < node.inputs(); ++i) {
    node.expect(node.in(i), DType::F32, {x.shape[1]}, i == 1 ? "weight" : "bias");
  }
  node.expect(node.out(0), DType::F32, x.shape, "output");
  expectGroups(node, x, node.out(1), "mean");
  expectGroups(node, x, node.out(2), "reciprocal deviation");
}

void checkGroupNormGrad(const NodeChecker& node) {
  const ValueSpec& x = node.in(1);
  checkGroups(node, x);
  node.expect(node.in(0), DType::F32, x.shape, "gradient");
  expectGroups(node, x, node.in(2), "mean");
  expectGroups(node, x, node.in(3), "reciprocal deviation");
  if (node.inputs() > 4) node.expect(node.in(4), DType::F32, {x.shape[1]}, "weight");
  node.expect(node.out(0), DType::F32, x.shape, "gradient");
  for (size_t i = 1; i < node.outputs(); ++i) {
    node.expect(node.out(i), DType::F32, {x.shape[1]}, "gradient");
  }
}

}  // namespace neuronode
