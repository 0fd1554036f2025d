#include "pooling/library_pooling.h"

namespace neuronode::cuda {

namespace {

std::string list(std::initializer_list<int64_t> numbers) {
  std::string text;
  for (int64_t number : numbers) text += (text.empty() ? "" : "x") + std::to_string(number);
  return text;
}

}  // namespace

std::string LibraryPoolProblem::name() const {
  const PoolShape& s = shape;
  return std::string(max                 ? "max"
                     : s.countIncludePad ? "average"
                                         : "average without padding") +
         " x" + list({s.n, s.c, s.h, s.w}) + " y" + list({s.oh, s.ow}) + " kernel" +
         list({s.kernelH, s.kernelW}) + " stride" + list({s.strideH, s.strideW}) + " pad" +
         list({s.padH, s.padW}) + (storage == Storage::BF16 ? " bf16" : " f32");
}

}  // namespace neuronode::cuda
