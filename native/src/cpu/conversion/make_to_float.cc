// Adapts the conversion of bytes to floats to the backend's Kernel.
#include "cpu/conversion/to_float.h"
#include "cpu/kernels.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;
constexpr Layout kPlain = Layout::Plain;

}  // namespace

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
        conversionKernels().bytesToFloat(as<const uint8_t>(in[0]), as<float>(out[0]), n, c, hw,
                                         table.data());
      });
}

}  // namespace neuronode
