#include "binding/values.h"

#include <cstring>
#include <memory>
#include <utility>

#include "binding/chores.h"

namespace neuronode::binding {

namespace {

[[noreturn]] void failArgument(const std::string& message) {
  throw Error(errc::kArgument, message);
}

Napi::Object asObject(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) failArgument(std::string(what) + " must be an object");
  return value.As<Napi::Object>();
}

Napi::Array asArray(const Napi::Value& value, const char* what) {
  if (!value.IsArray()) failArgument(std::string(what) + " must be an array");
  return value.As<Napi::Array>();
}

std::string asString(const Napi::Value& value, const char* what) {
  if (!value.IsString()) failArgument(std::string(what) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

double asNumber(const Napi::Value& value, const char* what) {
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? 1 : 0;
  if (!value.IsNumber()) failArgument(std::string(what) + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t asInteger(const Napi::Value& value, const char* what) {
  if (!value.IsNumber()) failArgument(std::string(what) + " must be a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  const auto integer = value.As<Napi::Number>().Int64Value();
  if (static_cast<double>(integer) != number) failArgument(std::string(what) + " must be whole");
  return integer;
}

template <typename T>
T oneOf(const std::string& word, std::initializer_list<std::pair<const char*, T>> choices,
        const char* what) {
  for (const auto& [name, value] : choices) {
    if (word == name) return value;
  }
  failArgument(std::string(what) + " '" + word + "' is unknown");
}

std::vector<int> parseIndices(const Napi::Value& value, const char* what) {
  const Napi::Array array = asArray(value, what);
  std::vector<int> indices;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const int64_t index = asInteger(array.Get(i), what);
    indices.push_back(index < 0 || index > INT32_MAX ? -1 : static_cast<int>(index));
  }
  return indices;
}

ValueSpec parseValue(const Napi::Value& value) {
  const Napi::Object object = asObject(value, "a value");
  ValueSpec spec;
  spec.kind = oneOf<ValueKind>(asString(object.Get("kind"), "kind"),
                               {{"input", ValueKind::Input},
                                {"parameter", ValueKind::Parameter},
                                {"state", ValueKind::State},
                                {"intermediate", ValueKind::Intermediate}},
                               "kind");
  spec.dtype = oneOf<DType>(
      asString(object.Get("dtype"), "dtype"),
      {{"f32", DType::F32}, {"f64", DType::F64}, {"i32", DType::I32}, {"u8", DType::U8}}, "dtype");
  const Napi::Array shape = asArray(object.Get("shape"), "shape");
  for (uint32_t i = 0; i < shape.Length(); ++i) {
    spec.shape.push_back(asInteger(shape.Get(i), "a dimension"));
  }
  spec.name = asString(object.Get("name"), "name");
  return spec;
}

Attrs parseAttrs(const Napi::Object& object) {
  Attrs attrs;
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
    const Napi::Value value = object.Get(name);
    std::vector<double> numbers;
    if (value.IsArray()) {
      const auto array = value.As<Napi::Array>();
      for (uint32_t j = 0; j < array.Length(); ++j) {
        numbers.push_back(asNumber(array.Get(j), name.c_str()));
      }
    } else {
      numbers.push_back(asNumber(value, name.c_str()));
    }
    attrs.set(name, std::move(numbers));
  }
  return attrs;
}

NodeSpec parseNode(const Napi::Value& value) {
  const Napi::Object object = asObject(value, "a node");
  NodeSpec node;
  node.op = opFromName(asString(object.Get("op"), "op"));
  node.inputs = parseIndices(object.Get("inputs"), "inputs");
  node.outputs = parseIndices(object.Get("outputs"), "outputs");
  node.attrs = parseAttrs(asObject(object.Get("attrs"), "attrs"));
  node.name = asString(object.Get("name"), "name");
  node.phase = oneOf<Phase>(
      asString(object.Get("phase"), "phase"),
      {{"forward", Phase::Forward}, {"backward", Phase::Backward}, {"optimizer", Phase::Optimizer}},
      "phase");
  return node;
}

DType dtypeOf(napi_typedarray_type type) {
  switch (type) {
    case napi_float32_array:
      return DType::F32;
    case napi_float64_array:
      return DType::F64;
    case napi_int32_array:
      return DType::I32;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return DType::U8;
    default:
      throw Error(errc::kDType, "expected a Float32Array, Float64Array, Int32Array or Uint8Array");
  }
}

template <typename T>
void setScalar(T value, HostTensor& tensor) {
  tensor.bytes.resize(sizeof value);
  std::memcpy(tensor.bytes.data(), &value, sizeof value);
}

void parseScalar(double number, const std::string& name, HostTensor& tensor) {
  switch (tensor.dtype) {
    case DType::F64:
      return setScalar(number, tensor);
    case DType::F32:
      return setScalar(static_cast<float>(number), tensor);
    case DType::I32:
      if (!(number >= INT32_MIN && number <= INT32_MAX) ||
          number != static_cast<double>(static_cast<int32_t>(number))) {
        failArgument("'" + name + "' must be a 32-bit integer");
      }
      return setScalar(static_cast<int32_t>(number), tensor);
    case DType::U8:
      break;
  }
  failArgument("'" + name + "' cannot be a single number");
}

}  // namespace

Napi::Error toJsError(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

GraphSpec parseGraph(const Napi::Value& value) {
  const Napi::Object object = asObject(value, "the graph");
  GraphSpec graph;
  const Napi::Array values = asArray(object.Get("values"), "values");
  for (uint32_t i = 0; i < values.Length(); ++i) graph.values.push_back(parseValue(values.Get(i)));
  const Napi::Array nodes = asArray(object.Get("nodes"), "nodes");
  for (uint32_t i = 0; i < nodes.Length(); ++i) graph.nodes.push_back(parseNode(nodes.Get(i)));
  const Napi::Array outputs = asArray(object.Get("outputs"), "outputs");
  for (uint32_t i = 0; i < outputs.Length(); ++i) {
    const Napi::Object output = asObject(outputs.Get(i), "an output");
    const int64_t index = asInteger(output.Get("value"), "value");
    graph.outputs.push_back({asString(output.Get("name"), "name"),
                             index < 0 || index > INT32_MAX ? -1 : static_cast<int>(index)});
  }
  return graph;
}

void parseTensor(const Napi::Value& value, const std::string& name, const TensorDesc& desc,
                 Rows rows, HostTensor& tensor) {
  tensor.dtype = desc.dtype;
  tensor.shape = desc.shape;
  if (value.IsNumber() && desc.shape.empty()) {
    return parseScalar(value.As<Napi::Number>().DoubleValue(), name, tensor);
  }
  if (!value.IsTypedArray()) failArgument("'" + name + "' must be a typed array");
  napi_typedarray_type type;
  size_t count;
  void* data;
  if (napi_get_typedarray_info(value.Env(), value, &type, &count, &data, nullptr, nullptr) !=
      napi_ok) {
    failArgument("'" + name + "' cannot be read");
  }
  if (dtypeOf(type) != desc.dtype) {
    throw Error(errc::kDType, "'" + name + "' must be " + dtypeName(desc.dtype) + ", got " +
                                  dtypeName(dtypeOf(type)));
  }
  const auto whole = static_cast<size_t>(elementCount(desc.shape));
  const size_t row = desc.shape.empty() ? 1 : whole / static_cast<size_t>(desc.shape[0]);
  const bool fits =
      rows == Rows::All ? count == whole : count > 0 && count <= whole && count % row == 0;
  if (!fits) {
    throw Error(errc::kShape, "'" + name + "' has " + std::to_string(count) +
                                  " elements, expected " + shapeString(desc.shape) +
                                  (rows == Rows::All ? "" : " or fewer whole rows of it"));
  }
  const auto* first = static_cast<const std::byte*>(data);
  tensor.bytes.reserve(whole * dtypeSize(desc.dtype));
  tensor.bytes.assign(first, first + count * dtypeSize(desc.dtype));
  tensor.bytes.resize(whole * dtypeSize(desc.dtype));  // rows that are not given are zero
}

namespace {

// An array buffer of memory that `memory` keeps alive.
template <typename Memory>
Napi::ArrayBuffer bufferOver(Napi::Env env, std::vector<std::byte>& bytes,
                             std::shared_ptr<Memory> memory) {
  using Owner = std::shared_ptr<Memory>;
  auto owner = std::make_unique<Owner>(std::move(memory));
  // Freeing much memory takes long too.
  const auto finalize = [](Napi::Env, void*, Owner* hint) {
    const std::unique_ptr<Owner> collected(hint);
    chores().post([memory = std::move(*collected)] {});
  };
  Napi::ArrayBuffer buffer =
      Napi::ArrayBuffer::New(env, bytes.data(), bytes.size(), finalize, owner.get());
  owner.release();
  return buffer;
}

// Large results are handed over as they are: a copy would hold the event loop up.
Napi::ArrayBuffer toArrayBuffer(Napi::Env env, std::vector<std::byte> bytes) {
  constexpr size_t kWorthHandingOver = 64 << 10;
  if (bytes.size() < kWorthHandingOver) {
    Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, bytes.size());
    if (!bytes.empty()) std::memcpy(buffer.Data(), bytes.data(), bytes.size());
    return buffer;
  }
  auto memory = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  return bufferOver(env, *memory, memory);
}

Napi::Value arrayOver(Napi::Env env, DType dtype, Napi::ArrayBuffer buffer) {
  const size_t count = buffer.ByteLength() / dtypeSize(dtype);
  switch (dtype) {
    case DType::F32:
      return Napi::Float32Array::New(env, count, buffer, 0);
    case DType::F64:
      return Napi::Float64Array::New(env, count, buffer, 0);
    case DType::I32:
      return Napi::Int32Array::New(env, count, buffer, 0);
    case DType::U8:
      return Napi::Uint8Array::New(env, count, buffer, 0);
  }
  return env.Undefined();
}

}  // namespace

Napi::Value toTypedArray(Napi::Env env, HostTensor tensor) {
  const DType dtype = tensor.dtype;
  return arrayOver(env, dtype, toArrayBuffer(env, std::move(tensor.bytes)));
}

using Staged = std::shared_ptr<HostTensor>;

Napi::Object toStaged(Napi::Env env, Staged tensor) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("data", arrayOver(env, tensor->dtype, bufferOver(env, tensor->bytes, tensor)));
  auto owner = std::make_unique<Staged>(std::move(tensor));
  object.Set("memory", Napi::External<Staged>::New(env, owner.get(),
                                                   [](Napi::Env, Staged* hint) { delete hint; }));
  owner.release();
  return object;
}

Staged takeStaged(const Napi::Value& value, const std::string& name, const TensorDesc& desc) {
  const Napi::Object object = asObject(value, "a staged tensor");
  const Napi::Value data = object.Get("data");
  const Napi::Value memory = object.Get("memory");
  if (!data.IsTypedArray() || !memory.IsExternal()) failArgument("expected what stage() gave");
  Staged tensor = std::move(*memory.As<Napi::External<Staged>>().Data());
  if (!tensor) failArgument("'" + name + "' was written from this memory already");
  if (tensor->dtype != desc.dtype || tensor->shape != desc.shape) {
    failArgument("'" + name + "' is not what the memory was staged for");
  }
  // From here on the memory is the device thread's alone.
  data.As<Napi::TypedArray>().ArrayBuffer().Detach();
  return tensor;
}

Napi::Object toPlanObject(Napi::Env env, const PlanInfo& plan) {
  Napi::Object object = Napi::Object::New(env);
  const auto bytes = [env](size_t value) {
    return Napi::Number::New(env, static_cast<double>(value));
  };
  object.Set("arenaBytes", bytes(plan.arenaBytes));
  object.Set("workspaceBytes", bytes(plan.workspaceBytes));
  object.Set("persistentBytes", bytes(plan.persistentBytes));
  Napi::Array steps = Napi::Array::New(env, plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    Napi::Object step = Napi::Object::New(env);
    step.Set("name", plan.steps[i].node);
    step.Set("op", plan.steps[i].op);
    step.Set("phase", phaseName(plan.steps[i].phase));
    step.Set("kernel", plan.steps[i].kernel);
    steps.Set(static_cast<uint32_t>(i), step);
  }
  object.Set("steps", steps);
  return object;
}

}  // namespace neuronode::binding
