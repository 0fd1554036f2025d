#include <string>

#include "convolution/plan.h"

namespace neuronode::cuda {

namespace {

const char* kindName(ConvKind kind) {
  switch (kind) {
    case ConvKind::Forward:
      return "forward";
    case ConvKind::InputGrad:
      return "inputGrad";
    case ConvKind::WeightGrad:
      return "weightGrad";
  }
  return "?";
}

const char* storageName(Storage storage) { return storage == Storage::F32 ? "f32" : "bf16"; }

const char* precisionName(Precision precision) {
  switch (precision) {
    case Precision::F32:
      return "f32";
    case Precision::TF32:
      return "tf32";
    case Precision::BF16:
      return "bf16";
  }
  return "?";
}

std::string list(std::initializer_list<int64_t> numbers) {
  std::string text;
  for (int64_t number : numbers) text += (text.empty() ? "" : "x") + std::to_string(number);
  return text;
}

}  // namespace

std::string problemName(const ConvProblem& p) {
  std::string name = kindName(p.kind);
  name += std::string(" ") + precisionName(p.precision);
  name += " x" + list({p.n, p.c, p.h, p.w}) + ":" + storageName(p.x);
  name += " w" + list({p.k, p.c / p.groups, p.r, p.s}) + ":" + storageName(p.filter);
  name += " y" + list({p.n, p.k, p.oh, p.ow}) + ":" + storageName(p.y);
  name += " pad" + list({p.padH, p.padW}) + " stride" + list({p.strideH, p.strideW}) + " dilation" +
          list({p.dilationH, p.dilationW}) + " groups" + list({p.groups});
  if (p.bias) name += " +bias";
  if (p.relu) name += " +relu";
  return name;
}

}  // namespace neuronode::cuda
