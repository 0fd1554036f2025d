#include "graph/fuse.h"

#include <algorithm>
#include <utility>

namespace neuronode {

namespace {

class Fuser {
 public:
  Fuser(const GraphSpec& graph, PoolingKernel pooling, bool recomputesMasks)
      : graph_(graph),
        recomputesMasks_(recomputesMasks),
        uses_(graph.values.size()),
        producer_(graph.values.size(), -1),
        reader_(graph.values.size(), -1) {
    for (const NodeSpec& node : graph.nodes) {
      for (int value : node.inputs) {
        ++uses_[value];
        reader_[value] = static_cast<int>(nodes_.size());
      }
      for (int value : node.outputs) producer_[value] = static_cast<int>(nodes_.size());
      nodes_.push_back({node});
    }
    for (const OutputSpec& output : graph.outputs) ++uses_[output.value];
    removed_.resize(nodes_.size());
    if (pooling == PoolingKernel::Library) addPoolTensors();
  }

  std::vector<FusedNode> run() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Op op = nodes_[i].spec.op;
      if (op == Op::Add) fuseAdd(i);
      if (op == Op::Relu || op == Op::Relu6) fuseRelu(i);
      if (op == Op::ReluGrad || op == Op::Relu6Grad) fuseReluGrad(i);
    }
    std::vector<FusedNode> kept;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (!removed_[i]) kept.push_back(std::move(nodes_[i]));
    }
    return kept;
  }

 private:
  void addPoolTensors() {
    for (FusedNode& node : nodes_) {
      if (node.spec.op != Op::MaxPool2dGrad) continue;
      const int pool = producer_[node.spec.inputs[1]];
      if (pool < 0 || nodes_[pool].spec.op != Op::MaxPool2d) continue;
      node.poolTensors = true;
      for (int value : {nodes_[pool].spec.inputs[0], nodes_[pool].spec.outputs[0]}) {
        node.spec.inputs.push_back(value);
        ++uses_[value];
      }
    }
  }

  // The node whose first output `value` is, where that has one reader alone; else null.
  FusedNode* soleProducer(int value) {
    if (uses_[value] != 1 || producer_[value] < 0) return nullptr;
    FusedNode& producer = nodes_[producer_[value]];
    return producer.spec.outputs[0] == value ? &producer : nullptr;
  }

  // The producer writes the reader's output itself from now on, and the reader goes.
  void absorb(FusedNode& producer, size_t reader) {
    const int result = nodes_[reader].spec.outputs[0];
    producer_[result] = producer_[producer.spec.outputs[0]];
    producer.spec.outputs[0] = result;
    removed_[reader] = true;
  }

  static bool isBatchNorm(Op op) { return op == Op::BatchNorm || op == Op::BatchNormInference; }

  bool haveOneShape(const std::vector<int>& values) const {
    const Shape& shape = graph_.values[values[0]].shape;
    return std::ranges::all_of(values,
                               [&](int value) { return graph_.values[value].shape == shape; });
  }

  // Into the batch normalisation that gives one of the two, where the other is there by then.
  void fuseAdd(size_t i) {
    const std::vector<int> terms = nodes_[i].spec.inputs;
    if (!haveOneShape(terms)) return;
    for (const auto& [own, other] : {std::pair{terms[0], terms[1]}, {terms[1], terms[0]}}) {
      FusedNode* producer = soleProducer(own);
      if (!producer || !isBatchNorm(producer->spec.op)) continue;
      if (producer->relu || producer->residual) continue;
      // What persists may be updated between the two.
      if (isPersistent(graph_.values[other]) || producer_[other] >= producer_[own]) continue;
      producer->residual = true;
      producer->spec.inputs.push_back(other);
      absorb(*producer, i);
      return;
    }
  }

  void fuseRelu(size_t i) {
    const bool isRelu6 = nodes_[i].spec.op == Op::Relu6;
    FusedNode* producer = soleProducer(nodes_[i].spec.inputs[0]);
    if (!producer || producer->relu || producer->reluMask) return;
    const Op op = producer->spec.op;
    const bool isProduct = op == Op::Conv2d || op == Op::Linear;
    const bool isSum = op == Op::Add && haveOneShape(producer->spec.inputs);
    if (!isBatchNorm(op) && !isSum && (!isProduct || isRelu6)) return;
    producer->relu = true;
    producer->relu6 = isRelu6;
    absorb(*producer, i);
  }

  void fuseReluGrad(size_t i) {
    if (!fuseIntoProducer(i)) fuseIntoReader(i);
  }

  void addMask(FusedNode& node, int mask, size_t gradient) {
    node.reluMask = true;
    node.relu6 = nodes_[gradient].spec.op == Op::Relu6Grad;
    node.spec.inputs.push_back(mask);
  }

  bool fuseIntoProducer(size_t i) {
    const int activation = nodes_[i].spec.inputs[1];
    FusedNode* producer = soleProducer(nodes_[i].spec.inputs[0]);
    if (!producer || producer->reluMask || producer->relu) return false;
    int mask = activation;
    const Op op = producer->spec.op;
    if (op == Op::Add) {
      if (!haveOneShape(producer->spec.inputs)) return false;
    } else if (nodes_[i].spec.op == Op::Relu6Grad) {
      return false;
    } else if (op == Op::MaxPool2dGrad) {
      const int pool = producer_[producer->spec.inputs[1]];
      if (pool < 0 || nodes_[pool].spec.op != Op::MaxPool2d) return false;
      if (nodes_[pool].spec.inputs[0] != activation) return false;
      mask = nodes_[pool].spec.outputs[0];
    } else if (op != Op::Conv2dInputGrad && op != Op::LinearInputGrad) {
      return false;
    }
    // The producer is to read the mask: it must be there by then.
    if (producer_[mask] >= producer_[nodes_[i].spec.inputs[0]]) return false;
    addMask(*producer, mask, i);
    absorb(*producer, i);
    return true;
  }

  void fuseIntoReader(size_t i) {
    const int gradient = nodes_[i].spec.inputs[0], masked = nodes_[i].spec.outputs[0];
    if (uses_[masked] != 1 || reader_[masked] < 0) return;
    FusedNode& reader = nodes_[reader_[masked]];
    const Op op = reader.spec.op;
    if (op != Op::BatchNormGrad && op != Op::BatchNormInferenceGrad) return;
    // What persists may be updated before the reader.
    for (int value : nodes_[i].spec.inputs) {
      if (isPersistent(graph_.values[value])) return;
    }
    if (reader.spec.inputs[0] != masked) return;
    reader.spec.inputs[0] = gradient;
    reader_[gradient] = reader_[masked];
    const int mask = nodes_[i].spec.inputs[1];
    if (const FusedNode* forward = forwardOf(reader, mask)) {
      reader.reluOfInput = true;
      reader.relu6 = nodes_[i].spec.op == Op::Relu6Grad;
      if (forward->spec.inputs.size() > 3) reader.spec.inputs.push_back(forward->spec.inputs[3]);
    } else {
      addMask(reader, mask, i);
    }
    removed_[i] = true;
  }

  // The node that rectifies `y`, where it is x normalised as the gradient takes it to be and
  // nothing else; null otherwise, and where the device rather reads y.
  const FusedNode* forwardOf(const FusedNode& gradient, int y) const {
    if (!recomputesMasks_ || producer_[y] < 0) return nullptr;
    const FusedNode& forward = nodes_[producer_[y]];
    if (forward.spec.op != Op::BatchNorm || forward.residual || forward.spec.outputs[0] != y) {
      return nullptr;
    }
    // forward: x, count, [weight, [bias]] -> y, mean, variance.
    const std::vector<int>&in = forward.spec.inputs, &out = forward.spec.outputs;
    std::vector<int> wanted{gradient.spec.inputs[0], in[0], out[1], out[2], in[1]};
    if (in.size() > 2) wanted.push_back(in[2]);
    const bool isSame = wanted == gradient.spec.inputs && forward.spec.attrs == gradient.spec.attrs;
    return isSame ? &forward : nullptr;
  }

  const GraphSpec& graph_;
  bool recomputesMasks_;
  std::vector<FusedNode> nodes_;
  std::vector<int> uses_;
  std::vector<int> producer_;  // index into nodes_ of the node that writes a value, or -1
  std::vector<int> reader_;    // of the last node that reads it, or -1
  std::vector<bool> removed_;
};

}  // namespace

std::vector<FusedNode> fuse(const GraphSpec& graph, PoolingKernel pooling, bool recomputesMasks) {
  return Fuser(graph, pooling, recomputesMasks).run();
}

}  // namespace neuronode
