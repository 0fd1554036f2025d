// Adapts the element-wise, dropout, loss and optimizer kernels to the backend's Kernel.
#include "cpu/dropout.h"
#include "cpu/kernels.h"
#include "cpu/loss.h"
#include "cpu/optimizer.h"
#include "optimizer_options.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;
constexpr Layout kPlain = Layout::Plain;

std::unique_ptr<Kernel> makeToFloat(const KernelRequest& request) {
  const Shape& shape = request.inputs[0].shape;
  const int64_t n = shape[0], c = shape[1], hw = shape[2] * shape[3];
  const auto toFloats = [&](const char* name) {
    const std::vector<double>& list = request.node.spec.attrs.list(name, static_cast<size_t>(c));
    return std::vector<float>(list.begin(), list.end());
  };
  std::vector<float> table(static_cast<size_t>(c) * 256);
  buildByteTable(toFloats("mean").data(), toFloats("std").data(), c, table.data());
  return std::make_unique<FunctionKernel>(
      "toFloat", std::vector{kPlain}, std::vector{kPlain},
      [n, c, hw, table = std::move(table)](Pointers in, Pointers out, void*) {
        elementwiseKernels().bytesToFloat(as<const uint8_t>(in[0]), as<float>(out[0]), n, c, hw,
                                          table.data());
      });
}

DropoutMask dropoutMask(const Attrs& attrs) {
  const std::vector<double>& seed = attrs.list("seed", 2);
  const auto word = [](double value) {
    return static_cast<uint64_t>(static_cast<uint32_t>(value));
  };
  return {.p = attrs.number("p"),
          .seed = word(seed[0]) | word(seed[1]) << 32,
          .step = 0,
          .stream = static_cast<uint32_t>(attrs.integer("stream"))};
}

std::unique_ptr<Kernel> makeDropout(const KernelRequest& request) {
  const Layout layout = planeLayout(request.inputs[0]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[0], layout);
  return std::make_unique<FunctionKernel>(
      "dropout", std::vector{layout, kPlain}, std::vector{layout},
      [plane, mask = dropoutMask(request.node.spec.attrs)](Pointers in, Pointers out, void*) {
        DropoutMask now = mask;
        now.step = static_cast<uint32_t>(*as<const int32_t>(in[1]));
        dropoutKernels().apply(as<const float>(in[0]), as<float>(out[0]), plane, now);
      });
}

}  // namespace

std::unique_ptr<Kernel> makeElementwise(const KernelRequest& request) {
  const ElementwiseKernels& kernels = elementwiseKernels();
  const Op op = request.node.spec.op;
  if (op == Op::ToFloat) return makeToFloat(request);
  if (op == Op::Dropout || op == Op::DropoutGrad) return makeDropout(request);
  // Gradients follow the activation that they belong to; the rest its first input.
  const bool gradient = op == Op::ReluGrad || op == Op::SigmoidGrad;
  const Layout layout = planeLayout(request.inputs[gradient ? 1 : 0]);
  const PlaneShape plane = planeShape(request.backend, request.inputs[0], layout);
  const int64_t count = plane.elements();
  const auto make = [&](FunctionKernel::Body body) {
    return std::make_unique<FunctionKernel>(opName(op),
                                            std::vector<Layout>(request.inputs.size(), layout),
                                            std::vector{layout}, std::move(body));
  };
  switch (op) {
    case Op::Relu:
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.relu(as<const float>(in[0]), as<float>(out[0]), count);
      });
    case Op::ReluGrad:
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.reluGrad(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), count);
      });
    case Op::Sigmoid:
      return make([&kernels, count, plane](Pointers in, Pointers out, void*) {
        kernels.sigmoid(as<const float>(in[0]), as<float>(out[0]), count);
        kernels.zeroPaddingLanes(as<float>(out[0]), plane);
      });
    case Op::SigmoidGrad:
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.sigmoidGrad(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]),
                            count);
      });
    default:  // Add
      return make([&kernels, count](Pointers in, Pointers out, void*) {
        kernels.add(as<const float>(in[0]), as<const float>(in[1]), as<float>(out[0]), count);
      });
  }
}

std::unique_ptr<Kernel> makeLoss(const KernelRequest& request) {
  const int64_t n = request.inputs[0].shape[0], c = request.inputs[0].shape[1];
  if (request.node.spec.op == Op::Softmax) {
    return std::make_unique<FunctionKernel>("softmax", std::vector{kPlain}, std::vector{kPlain},
                                            [n, c](Pointers in, Pointers out, void*) {
                                              lossKernels().softmax(as<const float>(in[0]),
                                                                    as<float>(out[0]), n, c);
                                            });
  }
  const Reduction reduction =
      request.node.spec.attrs.flag("reduction") ? Reduction::Sum : Reduction::Mean;
  const bool wantsGradient = request.outputs.size() == 3;
  return std::make_unique<FunctionKernel>(
      "softmaxCrossEntropy", std::vector(3, kPlain), std::vector(request.outputs.size(), kPlain),
      [n, c, reduction, wantsGradient](Pointers in, Pointers out, void*) {
        const int32_t count = *as<const int32_t>(in[2]);
        if (count < 0 || count > n) {
          throw Error(errc::kArgument, "count must be between 0 and " + std::to_string(n) +
                                           ", got " + std::to_string(count));
        }
        const auto* labels = as<const int32_t>(in[1]);
        const int64_t badRow = lossKernels().softmaxCrossEntropy(
            {.logits = as<const float>(in[0]),
             .labels = labels,
             .validRows = count,
             .n = n,
             .c = c,
             .reduction = reduction,
             .loss = as<float>(out[0]),
             .correct = as<int32_t>(out[1]),
             .grad = wantsGradient ? as<float>(out[2]) : nullptr});
        if (badRow >= 0) {
          throw Error(errc::kArgument, "label " + std::to_string(labels[badRow]) + " in row " +
                                           std::to_string(badRow) + " is outside 0 to " +
                                           std::to_string(c - 1));
        }
      });
}

namespace {

int32_t stepNumber(const void* step) {
  const int32_t number = *static_cast<const int32_t*>(step);
  if (number < 1) {
    throw Error(errc::kArgument, "step must be at least 1, got " + std::to_string(number));
  }
  return number;
}

}  // namespace

std::unique_ptr<Kernel> makeOptimizerStep(const KernelRequest& request) {
  const Attrs& attrs = request.node.spec.attrs;
  // Gradient and state lie as the parameter does, wherever that is already placed.
  Layout layout = request.inputs[0].layout;
  if (layout == Layout::Undecided) layout = Layout::Plain;
  TensorDesc placed = request.inputs[0];
  placed.layout = layout;
  const auto count = static_cast<int64_t>(request.backend.bytes(placed) / sizeof(float));
  if (request.node.spec.op == Op::AdamStep) {
    return std::make_unique<FunctionKernel>(
        "adamStep", std::vector{layout, layout, layout, layout, kPlain, kPlain},
        std::vector<Layout>{}, [options = adamOptions(attrs), count](Pointers in, Pointers, void*) {
          optimizerKernels().adamStep(as<float>(in[0]), as<const float>(in[1]), as<float>(in[2]),
                                      as<float>(in[3]), count, stepNumber(in[4]),
                                      *as<const double>(in[5]), options);
        });
  }
  const SgdOptions options = sgdOptions(attrs);
  const bool hasBuffer = request.inputs.size() == 5;
  if (hasBuffer != (options.momentum != 0)) {
    throw Error(errc::kArgument, "sgdStep takes a momentum buffer exactly if momentum is not 0");
  }
  std::vector<Layout> layouts{layout, layout, kPlain, kPlain};
  if (hasBuffer) layouts.push_back(layout);
  return std::make_unique<FunctionKernel>(
      "sgdStep", std::move(layouts), std::vector<Layout>{},
      [options, count, hasBuffer](Pointers in, Pointers, void*) {
        optimizerKernels().sgdStep(as<float>(in[0]), as<const float>(in[1]),
                                   hasBuffer ? as<float>(in[4]) : nullptr, count, stepNumber(in[2]),
                                   *as<const double>(in[3]), options);
      });
}

}  // namespace neuronode
