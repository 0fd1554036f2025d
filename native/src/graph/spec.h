// The graph as TypeScript hands it over: values, nodes in execution order, and what to read back.
// checkGraph() makes everything below it safe from a malformed one; gradients and optimizer steps
// are ordinary nodes here.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/op_table.h"
#include "graph/tensor.h"

namespace neuronode {

// Attributes are numbers, booleans (0 or 1) or lists of numbers.
class Attrs {
 public:
  void set(const std::string& name, std::vector<double> values) {
    values_[name] = std::move(values);
  }
  // Throws ERR_NN_ARGUMENT where the attribute is missing or has another count of numbers.
  double number(const std::string& name) const;
  int64_t integer(const std::string& name) const;
  bool flag(const std::string& name) const { return number(name) != 0; }
  const std::vector<double>& list(const std::string& name, size_t count) const;
  // A pair [h, w] of integers.
  struct Pair {
    int64_t h, w;
  };
  Pair pair(const std::string& name) const;

  bool operator==(const Attrs&) const = default;

 private:
  std::map<std::string, std::vector<double>> values_;
};

enum class ValueKind : uint8_t { Input, Parameter, State, Intermediate };

struct ValueSpec {
  ValueKind kind = ValueKind::Intermediate;
  DType dtype = DType::F32;
  Shape shape;
  std::string name;
};

// Whether the program keeps the value between runs.
inline bool isPersistent(const ValueSpec& value) {
  return value.kind == ValueKind::Parameter || value.kind == ValueKind::State;
}

enum class Phase : uint8_t { Forward, Backward, Optimizer };
const char* phaseName(Phase phase);

struct NodeSpec {
  Op op;
  std::vector<int> inputs;
  std::vector<int> outputs;
  Attrs attrs;
  std::string name;
  Phase phase = Phase::Forward;
};

struct OutputSpec {
  std::string name;
  int value;
};

struct GraphSpec {
  std::vector<ValueSpec> values;
  std::vector<NodeSpec> nodes;
  std::vector<OutputSpec> outputs;
};

// Throws ERR_NN_SHAPE, ERR_NN_DTYPE or ERR_NN_ARGUMENT where the graph is not one that kernels can
// run safely: indices, order (a value is read only after it is written), counts of inputs and
// outputs, element types, and the shapes of each operation.
void checkGraph(const GraphSpec& graph);

}  // namespace neuronode
