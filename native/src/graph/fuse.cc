#include "graph/fuse.h"

namespace neuronode {

namespace {

class Fuser {
 public:
  Fuser(const GraphSpec& graph, PoolingKernel pooling)
      : uses_(graph.values.size()), producer_(graph.values.size(), -1) {
    for (const NodeSpec& node : graph.nodes) {
      for (int value : node.inputs) ++uses_[value];
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
      if (op == Op::Relu) fuseRelu(i);
      if (op == Op::ReluGrad) fuseReluGrad(i);
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

  // The node that alone feeds `value` to its only reader, or null.
  FusedNode* soleProducer(int value) {
    if (uses_[value] != 1 || producer_[value] < 0) return nullptr;
    return &nodes_[producer_[value]];
  }

  // The producer writes the reader's output itself from now on, and the reader goes.
  void absorb(FusedNode& producer, size_t reader) {
    const int result = nodes_[reader].spec.outputs[0];
    producer_[result] = producer_[producer.spec.outputs[0]];
    producer.spec.outputs[0] = result;
    removed_[reader] = true;
  }

  void fuseRelu(size_t i) {
    FusedNode* producer = soleProducer(nodes_[i].spec.inputs[0]);
    if (!producer || producer->relu) return;
    if (producer->spec.op != Op::Conv2d && producer->spec.op != Op::Linear) return;
    producer->relu = true;
    absorb(*producer, i);
  }

  void fuseReluGrad(size_t i) {
    const int activation = nodes_[i].spec.inputs[1];
    FusedNode* producer = soleProducer(nodes_[i].spec.inputs[0]);
    if (!producer || producer->reluMask) return;
    int mask = activation;
    if (producer->spec.op == Op::MaxPool2dGrad) {
      const int pool = producer_[producer->spec.inputs[1]];
      if (pool < 0 || nodes_[pool].spec.op != Op::MaxPool2d) return;
      if (nodes_[pool].spec.inputs[0] != activation) return;
      mask = nodes_[pool].spec.outputs[0];
    } else if (producer->spec.op != Op::Conv2dInputGrad &&
               producer->spec.op != Op::LinearInputGrad) {
      return;
    }
    // The producer is to read the mask: it must be there by then.
    if (producer_[mask] >= producer_[nodes_[i].spec.inputs[0]]) return;
    producer->reluMask = true;
    producer->spec.inputs.push_back(mask);
    absorb(*producer, i);
  }

  std::vector<FusedNode> nodes_;
  std::vector<int> uses_;
  std::vector<int> producer_;  // index into nodes_ of the node that writes a value, or -1
  std::vector<bool> removed_;
};

}  // namespace

std::vector<FusedNode> fuse(const GraphSpec& graph, PoolingKernel pooling) {
  return Fuser(graph, pooling).run();
}

}  // namespace neuronode
