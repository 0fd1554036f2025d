#include "binding/compile_options.h"

#include <utility>
#include <vector>

#include "error.h"

namespace neuronode::binding {

namespace {

template <typename T>
T choice(const Napi::Object& object, const char* name, T otherwise,
         std::vector<std::pair<const char*, T>> choices) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return otherwise;
  const std::string word = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  std::string list;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (word == choices[i].first) return choices[i].second;
    if (i > 0) list += i + 1 < choices.size() ? ", " : " or ";
    list += "'";
    list += choices[i].first;
    list += "'";
  }
  throw Error(errc::kArgument, std::string(name) + " must be " + list);
}

bool flag(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name);
  if (value.IsUndefined()) return false;
  if (!value.IsBoolean()) throw Error(errc::kArgument, std::string(name) + " must be a boolean");
  return value.As<Napi::Boolean>().Value();
}

}  // namespace

CompileOptions parseCompileOptions(const Napi::Object& object) {
  CompileOptions options;
  const Napi::Value device = object.Get("device");
  if (!device.IsUndefined()) {
    if (!device.IsString()) throw Error(errc::kArgument, "device must be a string");
    options.device = device.As<Napi::String>().Utf8Value();
  }
  KernelOptions& kernels = options.kernels;
  kernels.algorithm = choice<ConvAlgorithm>(object, "algorithm", ConvAlgorithm::Auto,
                                            {{"auto", ConvAlgorithm::Auto},
                                             {"direct", ConvAlgorithm::Direct},
                                             {"winograd", ConvAlgorithm::Winograd}});
  kernels.precision = choice<Precision>(
      object, "precision", Precision::F32,
      {{"f32", Precision::F32}, {"tf32", Precision::TF32}, {"bf16", Precision::BF16}});
  kernels.pooling =
      choice<PoolingKernel>(object, "pooling", PoolingKernel::Own,
                            {{"own", PoolingKernel::Own}, {"library", PoolingKernel::Library}});
  kernels.deterministic = flag(object, "deterministic");
  kernels.autotune = flag(object, "autotune");
  if (options.device == "cpu" && kernels.precision != Precision::F32) {
    throw Error(errc::kArgument,
                "precision 'tf32' and 'bf16' are the GPU's: the CPU computes in 'f32'");
  }
  return options;
}

}  // namespace neuronode::binding
