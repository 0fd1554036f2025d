// Program::compile: from a graph to kernels with agreed layouts and placed memory.
#include <algorithm>
#include <utility>

#include "error.h"
#include "graph/fuse.h"
#include "graph/memory_plan.h"
#include "graph/program.h"

namespace neuronode {

class Compiler {
 public:
  Compiler(const GraphSpec& graph, Backend& backend, const KernelOptions& options,
           const Program* share, const std::atomic<bool>& cancel)
      : graph_(graph), backend_(backend), options_(options), share_(share), cancel_(cancel) {}

  std::unique_ptr<Program> compile() {
    checkGraph(graph_);
    program_.reset(new Program(backend_));
    placeValues();
    for (const FusedNode& node : fuse(graph_)) {
      checkCancelled(cancel_);
      addNode(node);
    }
    addOutputs();
    for (int i = 0; i < valueCount(); ++i) takePersistent(i);
    placeMemory();
    return std::move(program_);
  }

 private:
  // One piece of memory, in one layout.
  struct Piece {
    TensorDesc desc;
    int persistent = -1;  // the parameter's or state's value id; else it lives in the arena
    Lifetime life = {};
  };
  struct PendingStep {
    std::unique_ptr<Kernel> kernel;
    std::vector<int> inputs, outputs;  // pieces
  };

  int valueCount() const { return static_cast<int>(graph_.values.size()); }
  int now() const { return static_cast<int>(steps_.size()); }

  void placeValues() {
    pieceOf_.assign(graph_.values.size(), -1);
    for (int i = 0; i < valueCount(); ++i) {
      const ValueSpec& value = graph_.values[i];
      if (value.kind == ValueKind::Intermediate) continue;
      Piece piece{.desc = {value.dtype, value.shape, Layout::Plain}};
      if (isPersistent(value)) {
        piece.persistent = i;
        piece.desc.layout = sharedLayout(value);
      }
      pieceOf_[i] = addPiece(std::move(piece));
      // Inputs are uploaded before the first step.
      if (value.kind == ValueKind::Input) pieces_.back().life.first = -1;
    }
  }

  Layout sharedLayout(const ValueSpec& value) const {
    if (!share_) return Layout::Undecided;
    auto found = share_->persistent_.find(value.name);
    if (found == share_->persistent_.end()) return Layout::Undecided;
    if (found->second.desc.shape != value.shape) {
      throw Error(errc::kShape, value.name + " is " + shapeString(found->second.desc.shape) +
                                    " in the program to share with, and " +
                                    shapeString(value.shape) + " here");
    }
    return found->second.desc.layout;
  }

  int addPiece(Piece piece) {
    piece.life.first = piece.life.last = now();
    pieces_.push_back(std::move(piece));
    return static_cast<int>(pieces_.size()) - 1;
  }

  void addNode(const FusedNode& node) {
    if (node.spec.op == Op::Reshape) {
      addReshape(node.spec);
      return;
    }
    std::vector<TensorDesc> inputs, outputs;
    for (int value : node.spec.inputs) inputs.push_back(pieces_[pieceOf_[value]].desc);
    for (int value : node.spec.outputs) {
      outputs.push_back({graph_.values[value].dtype, graph_.values[value].shape});
    }
    std::unique_ptr<Kernel> kernel = backend_.makeKernel(node, inputs, outputs, options_);
    PendingStep step;
    for (size_t i = 0; i < node.spec.inputs.size(); ++i) {
      step.inputs.push_back(pieceIn(node.spec.inputs[i], kernel->inputLayouts[i]));
    }
    for (size_t i = 0; i < node.spec.outputs.size(); ++i) {
      outputs[i].layout = kernel->outputLayouts[i];
      step.outputs.push_back(addPiece({.desc = outputs[i]}));
      pieceOf_[node.spec.outputs[i]] = step.outputs.back();
    }
    const std::vector<int> used = step.inputs;
    step.kernel = std::move(kernel);
    addStep(std::move(step), node.spec);
    if (node.spec.op == Op::AdamStep || node.spec.op == Op::SgdStep) finishUpdate(node.spec, used);
  }

  // Parameters and state were updated in place. Where that was a copy in another layout, it goes
  // back; and no other copy is true any more.
  void finishUpdate(const NodeSpec& node, const std::vector<int>& used) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const int value = node.inputs[i];
      if (!isPersistent(graph_.values[value])) continue;
      copies_.erase(value);
      if (used[i] != pieceOf_[value]) addReorder(used[i], pieceOf_[value]);
    }
  }

  void addReorder(int from, int to) {
    PendingStep step;
    step.kernel = backend_.makeReorder(pieces_[from].desc, pieces_[to].desc);
    step.inputs = {from};
    step.outputs = {to};
    addStep(std::move(step), {});
  }

  // The piece that holds `value` in `layout`, made by a reorder where there is none.
  int pieceIn(int value, Layout layout) {
    Piece& piece = pieces_[pieceOf_[value]];
    if (piece.desc.layout == Layout::Undecided) piece.desc.layout = layout;
    if (piece.desc.layout == layout) return pieceOf_[value];
    for (auto [copyLayout, copy] : copies_[value]) {
      if (copyLayout == layout) return copy;
    }
    // Two layouts of the backend's own may see the shape differently: plain is between them.
    const bool direct = piece.desc.layout == Layout::Plain || layout == Layout::Plain;
    const int source = direct ? pieceOf_[value] : pieceIn(value, Layout::Plain);
    const int copy = addCopy(source, layout);
    copies_[value].push_back({layout, copy});
    return copy;
  }

  int addCopy(int source, Layout layout) {
    TensorDesc desc = pieces_[source].desc;
    desc.layout = layout;
    const int copy = addPiece({.desc = desc});
    addReorder(source, copy);
    return copy;
  }

  // A view: the same memory under another shape, which only the plain layout allows. Of a parameter
  // a copy, since an optimizer step may change the parameter under a view of it.
  void addReshape(const NodeSpec& node) {
    int source = pieceIn(node.inputs[0], Layout::Plain);
    if (root(source).persistent >= 0) source = addCopy(source, Layout::Plain);
    const int target = node.outputs[0];
    Piece view = pieces_[source];
    view.desc.shape = graph_.values[target].shape;
    const int piece = addPiece(view);
    viewOf_[piece] = viewOf_.contains(source) ? viewOf_[source] : source;
    pieceOf_[target] = piece;
  }

  void addStep(PendingStep step, const NodeSpec& node) {
    touch(step.inputs);
    touch(step.outputs);
    PlanInfo& plan = program_->plan_;
    plan.workspaceBytes = std::max(plan.workspaceBytes, step.kernel->workspaceBytes);
    const bool reorder = step.inputs.size() == 1 && node.inputs.empty();
    plan.steps.push_back({node.name, reorder ? "reorder" : opName(node.op),
                          reorder && !plan.steps.empty() ? plan.steps.back().phase : node.phase,
                          step.kernel->name});
    steps_.push_back(std::move(step));
  }

  void touch(const std::vector<int>& pieces) {
    for (int piece : pieces) root(piece).life.last = now();
  }

  Piece& root(int piece) {
    auto found = viewOf_.find(piece);
    return pieces_[found == viewOf_.end() ? piece : found->second];
  }

  void addOutputs() {
    for (const OutputSpec& output : graph_.outputs) {
      outputPieces_.push_back(pieceIn(output.value, Layout::Plain));
    }
    touch(outputPieces_);
    for (int piece : outputPieces_) root(piece).life.last = now() + 1;
  }

  void takePersistent(int value) {
    const ValueSpec& spec = graph_.values[value];
    if (!isPersistent(spec)) return;
    TensorDesc& desc = pieces_[pieceOf_[value]].desc;
    if (desc.layout == Layout::Undecided) desc.layout = Layout::Plain;  // nothing reads it
    Program::Persistent persistent{desc, nullptr};
    if (share_) {
      auto found = share_->persistent_.find(spec.name);
      if (found != share_->persistent_.end()) persistent.memory = found->second.memory;
    }
    PlanInfo& plan = program_->plan_;
    const size_t bytes = backend_.bytes(desc);
    if (!persistent.memory) {
      persistent.memory = backend_.allocate(bytes);
      plan.ownedBytes += bytes;
    }
    plan.persistentBytes += bytes;
    program_->persistent_[spec.name] = std::move(persistent);
  }

  void placeMemory() {
    std::vector<Lifetime> lifetimes;
    std::vector<int> owners;
    for (size_t i = 0; i < pieces_.size(); ++i) {
      Piece& piece = pieces_[i];
      if (piece.persistent >= 0 || viewOf_.contains(static_cast<int>(i))) continue;
      piece.life.bytes = backend_.bytes(piece.desc);
      lifetimes.push_back(piece.life);
      owners.push_back(static_cast<int>(i));
    }
    PlanInfo& plan = program_->plan_;
    lifetimes.push_back({.bytes = plan.workspaceBytes, .first = -1, .last = now() + 1});
    plan.arenaBytes = planMemory(lifetimes);
    plan.ownedBytes += plan.arenaBytes;
    program_->arena_ = backend_.allocate(plan.arenaBytes);
    for (size_t i = 0; i < owners.size(); ++i) pieces_[owners[i]].life = lifetimes[i];
    program_->workspace_ = arenaAt(lifetimes.back().offset);
    for (PendingStep& step : steps_) {
      program_->steps_.push_back(
          {std::move(step.kernel), addresses(step.inputs), addresses(step.outputs)});
    }
    for (int i = 0; i < valueCount(); ++i) {
      if (graph_.values[i].kind != ValueKind::Input) continue;
      program_->inputs_[graph_.values[i].name] = {pieces_[pieceOf_[i]].desc, address(pieceOf_[i])};
    }
    for (size_t i = 0; i < outputPieces_.size(); ++i) {
      program_->outputs_[graph_.outputs[i].name] = {pieces_[outputPieces_[i]].desc,
                                                    address(outputPieces_[i])};
    }
    program_->executor_ =
        backend_.makeExecutor(transfers(program_->inputs_), transfers(program_->outputs_));
  }

  std::vector<Transfer> transfers(const std::map<std::string, Program::Port>& ports) const {
    std::vector<Transfer> result;
    for (auto& [name, port] : ports) result.push_back({port.slot, backend_.bytes(port.desc)});
    return result;
  }

  void* arenaAt(size_t offset) {
    return static_cast<std::byte*>(program_->arena_->data()) + offset;
  }

  void* address(int piece) {
    const Piece& owner = root(piece);
    if (owner.persistent < 0) return arenaAt(owner.life.offset);
    return program_->persistent_.at(graph_.values[owner.persistent].name).memory->data();
  }

  std::vector<void*> addresses(const std::vector<int>& pieces) {
    std::vector<void*> result;
    for (int piece : pieces) result.push_back(address(piece));
    return result;
  }

  const GraphSpec& graph_;
  Backend& backend_;
  const KernelOptions& options_;
  const Program* share_;
  const std::atomic<bool>& cancel_;
  std::unique_ptr<Program> program_;
  std::vector<Piece> pieces_;
  std::vector<int> pieceOf_;                                   // by value id
  std::map<int, std::vector<std::pair<Layout, int>>> copies_;  // by value id: (layout, piece)
  std::map<int, int> viewOf_;                                  // a reshape's piece -> its source
  std::vector<PendingStep> steps_;
  std::vector<int> outputPieces_;
};

std::unique_ptr<Program> Program::compile(const GraphSpec& graph, Backend& backend,
                                          const KernelOptions& options, const Program* share,
                                          const std::atomic<bool>& cancel) {
  return Compiler(graph, backend, options, share, cancel).compile();
}

}  // namespace neuronode
