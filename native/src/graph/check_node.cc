#include "graph/check_node.h"

#include <cmath>
#include <limits>

#include "error.h"

namespace neuronode {

namespace {

struct Arity {
  size_t minInputs, maxInputs, minOutputs, maxOutputs;
};

Arity arityOf(Op op) {
  switch (op) {
    case Op::ToFloat:
    case Op::Relu:
    case Op::Sigmoid:
    case Op::Reshape:
    case Op::Softmax:
    case Op::AvgPool2d:
    case Op::AvgPool2dGrad:
    case Op::AdaptiveAvgPool2d:
    case Op::AdaptiveAvgPool2dGrad:
      return {1, 1, 1, 1};
    case Op::Conv2d:
    case Op::Linear:
      return {2, 3, 1, 1};
    case Op::Conv2dWeightGrad:
    case Op::LinearWeightGrad:
      return {2, 2, 1, 2};
    case Op::Conv2dInputGrad:
    case Op::LinearInputGrad:
    case Op::Gemm:
    case Op::MaxPool2dGrad:
    case Op::ReluGrad:
    case Op::SigmoidGrad:
    case Op::Dropout:
    case Op::DropoutGrad:
    case Op::Add:
      return {2, 2, 1, 1};
    case Op::MaxPool2d:
      return {1, 1, 1, 2};
    case Op::SoftmaxCrossEntropy:
      return {3, 3, 2, 3};
    case Op::AdamStep:
      return {6, 6, 0, 0};
    case Op::SgdStep:
      return {4, 5, 0, 0};
  }
  return {0, 0, 0, 0};
}

class NodeChecker {
 public:
  NodeChecker(const GraphSpec& graph, const NodeSpec& node) : graph_(graph), node_(node) {}

  void check() {
    checkArity();
    switch (node_.op) {
      case Op::ToFloat:
        checkToFloat();
        break;
      case Op::Conv2d:
        checkConv(in(0), in(1), out(0));
        if (node_.inputs.size() == 3) expect(in(2), DType::F32, {in(1).shape[0]}, "bias");
        break;
      case Op::Conv2dInputGrad:
        checkConv(out(0), in(1), in(0));
        break;
      case Op::Conv2dWeightGrad:
        checkConv(in(0), out(0), in(1));
        if (node_.outputs.size() == 2) expect(out(1), DType::F32, {out(0).shape[0]}, "bias grad");
        break;
      case Op::Linear:
        checkLinear(in(0), in(1), out(0));
        if (node_.inputs.size() == 3) expect(in(2), DType::F32, {in(1).shape[0]}, "bias");
        break;
      case Op::LinearInputGrad:
        checkLinear(out(0), in(1), in(0));
        break;
      case Op::LinearWeightGrad:
        checkLinear(in(0), out(0), in(1));
        if (node_.outputs.size() == 2) expect(out(1), DType::F32, {out(0).shape[0]}, "bias grad");
        break;
      case Op::Gemm:
        checkGemm();
        break;
      case Op::MaxPool2d:
        checkWindow(in(0), out(0), true);
        if (node_.outputs.size() == 2) checkIndices(out(1), out(0).shape);
        break;
      case Op::MaxPool2dGrad:
        checkWindow(out(0), in(0), true);
        checkIndices(in(1), in(0).shape);
        break;
      case Op::AvgPool2d:
        checkWindow(in(0), out(0), false);
        break;
      case Op::AvgPool2dGrad:
        checkWindow(out(0), in(0), false);
        break;
      case Op::AdaptiveAvgPool2d:
        checkAdaptive(in(0), out(0));
        break;
      case Op::AdaptiveAvgPool2dGrad:
        checkAdaptive(out(0), in(0));
        break;
      case Op::Relu:
      case Op::Sigmoid:
        expect(out(0), DType::F32, in(0).shape, "output");
        expect(in(0), DType::F32, in(0).shape, "input");
        break;
      case Op::ReluGrad:
      case Op::SigmoidGrad:
      case Op::Add:
        expect(in(0), DType::F32, out(0).shape, "first input");
        expect(in(1), DType::F32, out(0).shape, "second input");
        expect(out(0), DType::F32, out(0).shape, "output");
        break;
      case Op::Dropout:
      case Op::DropoutGrad:
        expect(in(0), DType::F32, out(0).shape, "input");
        expect(in(1), DType::I32, {}, "step");
        expect(out(0), DType::F32, out(0).shape, "output");
        checkDropout();
        break;
      case Op::Reshape:
        if (in(0).dtype != out(0).dtype) fail(errc::kDType, "reshape keeps the element type");
        if (elementCount(in(0).shape) != elementCount(out(0).shape)) {
          fail(errc::kShape,
               "cannot reshape " + shapeString(in(0).shape) + " to " + shapeString(out(0).shape));
        }
        break;
      case Op::SoftmaxCrossEntropy:
        rank(in(0), 2, "logits");
        expect(in(0), DType::F32, in(0).shape, "logits");
        expect(in(1), DType::I32, {in(0).shape[0]}, "labels");
        expect(in(2), DType::I32, {}, "count");
        expect(out(0), DType::F32, {}, "loss");
        expect(out(1), DType::I32, {}, "correct");
        if (node_.outputs.size() == 3) expect(out(2), DType::F32, in(0).shape, "gradient");
        break;
      case Op::Softmax:
        rank(in(0), 2, "input");
        expect(in(0), DType::F32, in(0).shape, "input");
        expect(out(0), DType::F32, in(0).shape, "output");
        break;
      case Op::AdamStep:
        for (int i = 0; i < 4; ++i) expect(in(i), DType::F32, in(0).shape, "tensor");
        expect(in(4), DType::I32, {}, "step");
        expect(in(5), DType::F64, {}, "lr");
        for (int i : {0, 2, 3}) expectPersistent(in(i));
        break;
      case Op::SgdStep:
        expect(in(0), DType::F32, in(0).shape, "parameter");
        expect(in(1), DType::F32, in(0).shape, "gradient");
        expect(in(2), DType::I32, {}, "step");
        expect(in(3), DType::F64, {}, "lr");
        if (node_.inputs.size() == 5) expect(in(4), DType::F32, in(0).shape, "momentum buffer");
        expectPersistent(in(0));
        if (node_.inputs.size() == 5) expectPersistent(in(4));
        break;
    }
  }

 private:
  const ValueSpec& in(size_t i) const { return graph_.values[node_.inputs[i]]; }
  const ValueSpec& out(size_t i) const { return graph_.values[node_.outputs[i]]; }

  [[noreturn]] void fail(const char* code, const std::string& message) const {
    const std::string where = node_.name.empty() ? "" : node_.name + ": ";
    throw Error(code, where + opName(node_.op) + ": " + message);
  }

  void checkArity() const {
    const Arity arity = arityOf(node_.op);
    if (node_.inputs.size() < arity.minInputs || node_.inputs.size() > arity.maxInputs ||
        node_.outputs.size() < arity.minOutputs || node_.outputs.size() > arity.maxOutputs) {
      fail(errc::kArgument, "wrong number of inputs or outputs");
    }
  }

  void rank(const ValueSpec& value, size_t wanted, const char* what) const {
    if (value.shape.size() != wanted) {
      fail(errc::kShape, std::string(what) + " must have " + std::to_string(wanted) +
                             " dimensions, got " + shapeString(value.shape));
    }
  }

  void expect(const ValueSpec& value, DType dtype, const Shape& shape, const char* what) const {
    if (value.dtype != dtype) {
      fail(errc::kDType,
           std::string(what) + " must be " + dtypeName(dtype) + ", got " + dtypeName(value.dtype));
    }
    if (value.shape != shape) {
      fail(errc::kShape, std::string(what) + " must be " + shapeString(shape) + ", got " +
                             shapeString(value.shape));
    }
  }

  void expectPersistent(const ValueSpec& value) const {
    if (!isPersistent(value)) {
      fail(errc::kArgument, "only parameters and state can be updated in place");
    }
  }

  void checkToFloat() const {
    rank(in(0), 4, "input");
    expect(in(0), DType::U8, in(0).shape, "input");
    expect(out(0), DType::F32, in(0).shape, "output");
    const auto channels = static_cast<size_t>(in(0).shape[1]);
    node_.attrs.list("mean", channels);
    for (double std : node_.attrs.list("std", channels)) {
      if (!(std != 0)) fail(errc::kArgument, "std must not be zero");
    }
  }

  void checkDropout() const {
    if (!(node_.attrs.number("p") >= 0 && node_.attrs.number("p") <= 1)) {
      fail(errc::kArgument, "p must be between 0 and 1");
    }
    const auto isWord = [](double value) {
      return value >= 0 && value <= std::numeric_limits<uint32_t>::max() &&
             value == std::floor(value);
    };
    const std::vector<double>& seed = node_.attrs.list("seed", 2);
    if (!isWord(seed[0]) || !isWord(seed[1]) || !isWord(node_.attrs.number("stream"))) {
      fail(errc::kArgument, "seed and stream must be 32-bit words");
    }
  }

  Attrs::Pair positive(const char* name, int64_t least) const {
    const Attrs::Pair pair = node_.attrs.pair(name);
    constexpr int64_t kMost = 1 << 20;
    if (pair.h < least || pair.w < least || pair.h > kMost || pair.w > kMost) {
      fail(errc::kArgument, std::string(name) + " must be from " + std::to_string(least) + " to " +
                                std::to_string(kMost));
    }
    return pair;
  }

  void checkConv(const ValueSpec& x, const ValueSpec& w, const ValueSpec& y) const {
    rank(x, 4, "input");
    rank(w, 4, "weight");
    rank(y, 4, "output");
    const Attrs::Pair stride = positive("stride", 1);
    const Attrs::Pair padding = positive("padding", 0);
    const Attrs::Pair dilation = positive("dilation", 1);
    const int64_t groups = node_.attrs.integer("groups");
    if (groups < 1 || x.shape[1] % groups != 0 || w.shape[0] % groups != 0 ||
        w.shape[1] != x.shape[1] / groups) {
      fail(errc::kShape, "groups " + std::to_string(groups) + " do not fit input " +
                             shapeString(x.shape) + " and weight " + shapeString(w.shape));
    }
    const int64_t spanH = x.shape[2] + 2 * padding.h - dilation.h * (w.shape[2] - 1) - 1;
    const int64_t spanW = x.shape[3] + 2 * padding.w - dilation.w * (w.shape[3] - 1) - 1;
    if (spanH < 0 || spanW < 0) {
      fail(errc::kShape, "the kernel is larger than the padded input " + shapeString(x.shape));
    }
    expect(x, DType::F32, x.shape, "input");
    expect(w, DType::F32, w.shape, "weight");
    expect(y, DType::F32, {x.shape[0], w.shape[0], spanH / stride.h + 1, spanW / stride.w + 1},
           "output");
  }

  void checkLinear(const ValueSpec& x, const ValueSpec& w, const ValueSpec& y) const {
    rank(x, 2, "input");
    rank(w, 2, "weight");
    expect(x, DType::F32, {x.shape[0], w.shape[1]}, "input");
    expect(w, DType::F32, w.shape, "weight");
    expect(y, DType::F32, {x.shape[0], w.shape[0]}, "output");
  }

  void checkGemm() const {
    rank(in(0), 2, "first input");
    rank(in(1), 2, "second input");
    const bool ta = node_.attrs.flag("transposeA");
    const bool tb = node_.attrs.flag("transposeB");
    node_.attrs.number("alpha");
    const int64_t m = in(0).shape[ta ? 1 : 0], k = in(0).shape[ta ? 0 : 1];
    const int64_t n = in(1).shape[tb ? 0 : 1];
    expect(in(0), DType::F32, in(0).shape, "first input");
    expect(in(1), DType::F32, tb ? Shape{n, k} : Shape{k, n}, "second input");
    expect(out(0), DType::F32, {m, n}, "output");
  }

  // Pooling: every window must start inside the input or the padding before it.
  void checkWindow(const ValueSpec& x, const ValueSpec& y, bool dilated) const {
    rank(x, 4, "input");
    rank(y, 4, "output");
    expect(x, DType::F32, x.shape, "input");
    const Attrs::Pair kernel = positive("kernelSize", 1);
    const Attrs::Pair stride = positive("stride", 1);
    const Attrs::Pair padding = positive("padding", 0);
    const Attrs::Pair dilation = dilated ? positive("dilation", 1) : Attrs::Pair{1, 1};
    if (!dilated) node_.attrs.flag("countIncludePad");
    // As PyTorch: half the kernel, however far dilation spreads it.
    if (padding.h > kernel.h / 2 || padding.w > kernel.w / 2) {
      fail(errc::kShape, "padding must be at most half of the kernel size");
    }
    expect(y, DType::F32, {x.shape[0], x.shape[1], y.shape[2], y.shape[3]}, "output");
    checkAxis(x.shape[2], y.shape[2], kernel.h, stride.h, padding.h, dilation.h);
    checkAxis(x.shape[3], y.shape[3], kernel.w, stride.w, padding.w, dilation.w);
  }

  void checkAxis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
                 int64_t dilation) const {
    const int64_t span = in + 2 * padding - dilation * (kernel - 1) - 1;
    const int64_t floored = span / stride + 1;
    const bool fits = span >= 0 && (out == floored || (out == floored + 1 && span % stride != 0 &&
                                                       (out - 1) * stride < in + padding));
    // With ceil mode the input may be smaller than the kernel as long as a window starts inside.
    const bool ceiled = span < 0 && out == 1 && span + stride > 0;
    if (!fits && !ceiled) {
      fail(errc::kShape, "output size " + std::to_string(out) + " does not follow from input " +
                             std::to_string(in));
    }
  }

  void checkIndices(const ValueSpec& indices, const Shape& shape) const {
    const Attrs::Pair kernel = node_.attrs.pair("kernelSize");
    const DType wanted = kernel.h * kernel.w <= 256 ? DType::U8 : DType::I32;
    expect(indices, wanted, shape, "indices");
  }

  void checkAdaptive(const ValueSpec& x, const ValueSpec& y) const {
    rank(x, 4, "input");
    rank(y, 4, "output");
    expect(x, DType::F32, x.shape, "input");
    expect(y, DType::F32, {x.shape[0], x.shape[1], y.shape[2], y.shape[3]}, "output");
  }

  const GraphSpec& graph_;
  const NodeSpec& node_;
};

}  // namespace

void checkNode(const GraphSpec& graph, const NodeSpec& node) { NodeChecker(graph, node).check(); }

}  // namespace neuronode
