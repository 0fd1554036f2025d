#include "convolution/geometry.h"

namespace neuronode::cuda {

namespace {

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The problem on the tensors as they are.
ConvProblem plainProblem(const NodeSpec& spec, const Shape& x, const Shape& w, const Shape& y) {
  ConvProblem p;
  p.n = x[0], p.c = x[1], p.h = x[2], p.w = x[3];
  p.k = w[0], p.r = w[2], p.s = w[3];
  p.oh = y[2], p.ow = y[3];
  const Attrs::Pair padding = spec.attrs.pair("padding"), stride = spec.attrs.pair("stride");
  const Attrs::Pair dilation = spec.attrs.pair("dilation");
  p.padH = padding.h, p.padW = padding.w;
  p.strideH = stride.h, p.strideW = stride.w;
  p.dilationH = dilation.h, p.dilationW = dilation.w;
  p.groups = spec.attrs.integer("groups");
  return p;
}

bool isFirstLayer(const ConvProblem& p) {
  return p.kind != ConvKind::InputGrad && p.c <= kMostSpaceToDepthChannels && p.groups == 1 &&
         p.dilationH == 1 && p.dilationW == 1 && (p.strideH > 1 || p.strideW > 1);
}

// The same convolution over blocks of stride by stride pixels.
void toSpaceToDepth(ConvGeometry& geometry) {
  ConvProblem& p = geometry.problem;
  const int64_t rs = divideUp(p.r, p.strideH), ss = divideUp(p.s, p.strideW);
  const int64_t hs = p.oh + rs - 1, ws = p.ow + ss - 1;
  geometry.x = {.order = Order::SpaceToDepth,
                .blockH = p.strideH,
                .blockW = p.strideW,
                .padH = p.padH,
                .padW = p.padW,
                .extentH = hs,
                .extentW = ws};
  geometry.filter = {.order = Order::SpaceToDepthFilter,
                     .blockH = p.strideH,
                     .blockW = p.strideW,
                     .extentH = rs,
                     .extentW = ss};
  p.c *= p.strideH * p.strideW;
  p.h = hs, p.w = ws, p.r = rs, p.s = ss;
  p.padH = p.padW = 0;
  p.strideH = p.strideW = 1;
}

}  // namespace

ConvGeometry convGeometry(const NodeSpec& spec, std::span<const TensorDesc> inputs,
                          std::span<const TensorDesc> outputs) {
  ConvGeometry geometry;
  switch (spec.op) {
    case Op::Conv2d:
      geometry.problem = plainProblem(spec, inputs[0].shape, inputs[1].shape, outputs[0].shape);
      geometry.problem.kind = ConvKind::Forward;
      break;
    case Op::Conv2dInputGrad:
      geometry.problem = plainProblem(spec, outputs[0].shape, inputs[1].shape, inputs[0].shape);
      geometry.problem.kind = ConvKind::InputGrad;
      break;
    default:
      geometry.problem = plainProblem(spec, inputs[0].shape, outputs[0].shape, inputs[1].shape);
      geometry.problem.kind = ConvKind::WeightGrad;
  }
  geometry.x = geometry.filter = geometry.y = {.order = Order::ChannelsLast};
  if (isFirstLayer(geometry.problem)) toSpaceToDepth(geometry);
  return geometry;
}

namespace {

// How tensors are stored and multiplied.
struct Types {
  Storage activation, filter;
  Precision precision;
};

std::vector<Types> typesFor(ConvKind kind, Precision precision) {
  constexpr Storage f32 = Storage::F32, bf16 = Storage::BF16;
  if (precision != Precision::BF16) return {{f32, f32, precision}};
  std::vector<Types> types;
  // The optimizer adds the gradient to f32 weights: rounded only where the library insists.
  if (kind == ConvKind::WeightGrad) types.push_back({bf16, f32, Precision::BF16});
  types.push_back({bf16, bf16, Precision::BF16});
  // More exact than what was asked for, and still on tensor cores.
  types.push_back({f32, f32, Precision::TF32});
  return types;
}

}  // namespace

std::vector<ConvAttempt> convAttempts(const ConvProblem& geometry, Precision precision, bool bias,
                                      bool relu) {
  std::vector<ConvAttempt> attempts;
  for (const Types& types : typesFor(geometry.kind, precision)) {
    ConvAttempt attempt{.problem = geometry};
    ConvProblem& problem = attempt.problem;
    problem.x = problem.y = types.activation;
    problem.filter = types.filter;
    problem.precision = types.precision;
    problem.bias = bias;
    problem.relu = relu;
    attempts.push_back(attempt);
    if (!bias && !relu) continue;
    problem.bias = problem.relu = false;
    attempt.biasAfter = bias;
    attempt.reluAfter = relu;
    attempts.push_back(attempt);
  }
  return attempts;
}

}  // namespace neuronode::cuda
