// checkGraph: the last line of defence. TypeScript reports shape errors with the module's path at
// trace time; what is refused here would otherwise read or write outside a buffer.
#include <limits>
#include <set>

#include "error.h"
#include "graph/check_node.h"
#include "graph/spec.h"

namespace neuronode {

namespace {

void checkUnique(std::set<std::string>& names, const std::string& name) {
  if (!names.insert(name).second) {
    throw Error(errc::kArgument, "the name '" + name + "' is used twice");
  }
}

void checkValue(const ValueSpec& value) {
  constexpr int64_t kMostElements = int64_t{1} << 40;
  if (value.shape.size() > 8) throw Error(errc::kShape, "more than 8 dimensions");
  int64_t count = 1;
  for (int64_t extent : value.shape) {
    if (extent < 1 || extent > std::numeric_limits<int32_t>::max()) {
      throw Error(errc::kShape,
                  "dimensions must be from 1 to 2147483647, got " + shapeString(value.shape));
    }
    count *= extent;
    if (count > kMostElements) {
      throw Error(errc::kOutOfMemory, "a tensor " + shapeString(value.shape) +
                                          " is larger than any memory; use a smaller batch");
    }
  }
  if (value.kind != ValueKind::Intermediate && value.name.empty()) {
    throw Error(errc::kArgument, "inputs, parameters and state need a name");
  }
  // Buffers are parameters here; one of integers counts batches.
  const bool isCount = value.kind == ValueKind::Parameter && value.dtype == DType::I32;
  if (isPersistent(value) && value.dtype != DType::F32 && !isCount) {
    throw Error(errc::kDType, value.name + ": parameters must be f32 or i32, state f32");
  }
}

}  // namespace

void checkGraph(const GraphSpec& graph) {
  std::set<std::string> inputs, persistent, outputs;
  for (const ValueSpec& value : graph.values) {
    checkValue(value);
    if (value.kind == ValueKind::Input) checkUnique(inputs, value.name);
    if (isPersistent(value)) checkUnique(persistent, value.name);
  }
  for (const OutputSpec& output : graph.outputs) checkUnique(outputs, output.name);
  const auto valueCount = static_cast<int>(graph.values.size());
  std::vector<bool> written(graph.values.size());
  for (int i = 0; i < valueCount; ++i) {
    written[i] = graph.values[i].kind != ValueKind::Intermediate;
  }
  auto checkIndex = [&](int value) {
    if (value < 0 || value >= valueCount) throw Error(errc::kArgument, "no such value");
  };
  for (const NodeSpec& node : graph.nodes) {
    for (int value : node.inputs) {
      checkIndex(value);
      if (!written[value]) {
        throw Error(errc::kArgument,
                    node.name + ": " + opName(node.op) + " reads a value that nothing wrote");
      }
    }
    for (int value : node.outputs) {
      checkIndex(value);
      if (written[value]) {
        throw Error(errc::kArgument,
                    node.name + ": " + opName(node.op) + " writes a value a second time");
      }
    }
    checkNode(graph, node);
    for (int value : node.outputs) written[value] = true;
  }
  for (const OutputSpec& output : graph.outputs) {
    checkIndex(output.value);
    if (!written[output.value]) {
      throw Error(errc::kArgument, "output '" + output.name + "' is never written");
    }
  }
}

}  // namespace neuronode
