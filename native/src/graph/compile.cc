// Program::compile: kernels chosen, layouts agreed, reorders put between them.
//
// A parameter is kept in the layout that its first kernel wants, in full precision. Who wants it
// rounded reads a shadow: a copy that outlives runs and that every update and write refreshes. A
// program that shares a parameter shares its shadows, and makes none: the owner would not know.
//
// Steps that read nothing but parameters, in a program that updates none, are constants: they come
// first, and run only where a parameter has changed since (Program::refreshConstants). What others
// read of their results lives as long as the program.
#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "error.h"
#include "graph/compiler.h"
#include "graph/fold.h"
#include "graph/fuse.h"
#include "graph/merge_updates.h"

namespace neuronode {

std::unique_ptr<Program> Compiler::compile() {
  checkGraph(graph_);
  checkFits();
  program_.reset(new Program(backend_));
  program_->rules_ = InputRules(graph_);
  nodes_ = fuse(graph_, options_.pooling, backend_.recomputesMasks());
  if (backend_.mergesUpdates()) nodes_ = mergeUpdates(graph_, std::move(nodes_));
  placeValues();
  findFirstReaders();
  for (const FusedNode& node : nodes_) {
    checkCancelled(cancel_);
    addNode(node);
  }
  addOutputs();
  moveConstantsToTheFront();
  findLifetimes();
  placePersistent();
  placeArena();
  return std::move(program_);
}

// A tensor that alone exceeds the memory is refused before kernels are made for it, which may take
// memory of their own, and with the operation that it comes from.
void Compiler::checkFits() const {
  const size_t available = backend_.availableBytes();
  const auto check = [&](int index, const std::string& what) {
    const ValueSpec& value = graph_.values[index];
    const size_t bytes = backend_.bytes({value.dtype, value.shape, Layout::Plain});
    if (bytes <= available) return;
    throw Error(errc::kOutOfMemory, what + ' ' + shapeString(value.shape) + " needs " +
                                        mebibytes(bytes) + " MiB of memory, but " +
                                        mebibytes(available) +
                                        " MiB are available; use a smaller batch, image or layer");
  };
  for (int i = 0; i < valueCount(); ++i) {
    if (isPersistent(graph_.values[i]) && !shared(i)) check(i, graph_.values[i].name);
    if (graph_.values[i].kind == ValueKind::Input)
      check(i, "input '" + graph_.values[i].name + "'");
  }
  for (const NodeSpec& node : graph_.nodes) {
    const std::string where = node.name.empty() ? "" : node.name + ": ";
    for (int value : node.outputs) check(value, where + opName(node.op) + ": output");
  }
}

const Program::Persistent* Compiler::shared(int value) const {
  if (!share_) return nullptr;
  auto found = share_->persistent_.find(graph_.values[value].name);
  return found == share_->persistent_.end() ? nullptr : &found->second;
}

void Compiler::placeValues() {
  pieceOf_.assign(graph_.values.size(), -1);
  updated_.assign(graph_.values.size(), false);
  for (int i = 0; i < valueCount(); ++i) {
    const ValueSpec& value = graph_.values[i];
    if (value.kind == ValueKind::Intermediate) continue;
    Piece piece{.desc = {value.dtype, value.shape, Layout::Plain}};
    if (isPersistent(value)) {
      piece.persistent = i;
      piece.desc.layout = Layout::Undecided;
    }
    pieceOf_[i] = addPiece(std::move(piece));
    // Inputs are uploaded before the first step.
    if (value.kind == ValueKind::Input) pieces_.back().life.first = -1;
    const Program::Persistent* from = isPersistent(value) ? shared(i) : nullptr;
    if (!from) continue;
    if (from->main.desc.shape != value.shape) {
      throw Error(errc::kShape, value.name + " is " + shapeString(from->main.desc.shape) +
                                    " in the program to share with, and " +
                                    shapeString(value.shape) + " here");
    }
    pieces_.back().desc.layout = from->main.desc.layout;
    // All of them: what this program updates must be true in that one too.
    for (const Program::Copy& shadow : from->shadows) addShadow(i, shadow.desc.layout);
  }
}

void Compiler::findFirstReaders() {
  firstReader_.assign(graph_.values.size(), {-1, 0});
  for (size_t n = nodes_.size(); n-- > 0;) {
    const std::vector<int>& inputs = nodes_[n].spec.inputs;
    for (size_t i = inputs.size(); i-- > 0;) firstReader_[inputs[i]] = {static_cast<int>(n), i};
  }
}

int Compiler::addPiece(Piece piece) {
  pieces_.push_back(std::move(piece));
  return static_cast<int>(pieces_.size()) - 1;
}

TensorDesc Compiler::descOf(int value) const {
  if (pieceOf_[value] >= 0) return pieces_[pieceOf_[value]].desc;
  return {graph_.values[value].dtype, graph_.values[value].shape};
}

// What the first reader of a value that is not there yet would like.
Layout Compiler::hintFor(int value) {
  const auto [reader, input] = firstReader_[value];
  if (reader < 0) return Layout::Undecided;
  const FusedNode& node = nodes_[reader];
  std::vector<TensorDesc> inputs, outputs;
  for (int each : node.spec.inputs) inputs.push_back(descOf(each));
  for (int each : node.spec.outputs) outputs.push_back(descOf(each));
  return backend_.preferredLayout(node, inputs, outputs, input, options_);
}

// Asks a merged step to write the rounded copies of its parameters too.
FusedNode Compiler::withShadows(const FusedNode& node) {
  FusedNode result = node;
  if (!isMergeable(node.spec.op) || !backend_.mergesUpdates()) return result;
  const int stride = updateStride(node);
  for (int i = 0; i < node.updates; ++i) {
    const std::vector<int>& copies = copies_[node.spec.inputs[i * stride]];
    const bool hasShadow =
        std::any_of(copies.begin(), copies.end(), [&](int copy) { return pieces_[copy].isShadow; });
    if (hasShadow) result.shadows.push_back(i * stride);
  }
  return result;
}

void Compiler::addNode(const FusedNode& original) {
  if (original.spec.op == Op::Reshape) {
    addReshape(original.spec);
    return;
  }
  const FusedNode node = withShadows(original);
  PendingStep step;
  std::vector<TensorDesc> inputs, outputs;
  for (int value : node.spec.inputs) inputs.push_back(descOf(value));
  for (int value : node.spec.outputs) {
    outputs.push_back(descOf(value));
    outputs.back().layout = hintFor(value);
  }
  for (int input : node.shadows) {
    const std::vector<int>& copies = copies_[node.spec.inputs[input]];
    step.outputs.push_back(*std::find_if(copies.begin(), copies.end(),
                                         [&](int copy) { return pieces_[copy].isShadow; }));
    outputs.push_back(pieces_[step.outputs.back()].desc);
  }
  std::unique_ptr<Kernel> kernel = backend_.makeKernel(node, inputs, outputs, options_);
  for (size_t i = 0; i < node.spec.inputs.size(); ++i) {
    step.inputs.push_back(pieceIn(node.spec.inputs[i], kernel->inputLayouts[i]));
  }
  for (size_t i = 0; i < node.spec.outputs.size(); ++i) {
    outputs[i].layout = kernel->outputLayouts[i];
    step.outputs.push_back(addPiece({.desc = outputs[i]}));
    pieceOf_[node.spec.outputs[i]] = step.outputs.back();
  }
  for (size_t i = 0; i < node.shadows.size(); ++i) {
    if (kernel->outputLayouts[i] == pieces_[step.outputs[i]].desc.layout) continue;
    throw Error(errc::kNative, kernel->name + " writes a copy in another layout than it is read");
  }
  step.kernel = std::move(kernel);
  const PendingStep used{nullptr, step.inputs, step.outputs};
  addStep(std::move(step), node.spec);
  finishUpdate(node, used);
}

// Where parameters and state were updated in place. If that was a copy in another layout, it goes
// back; shadows that the kernel did not write are refreshed; and no other copy is true any more.
void Compiler::finishUpdate(const FusedNode& node, const PendingStep& step) {
  for (const int input : updatedInputs(node)) {
    const int value = node.spec.inputs[input], used = step.inputs[input];
    if (!isPersistent(graph_.values[value])) continue;
    updated_[value] = true;
    if (used != pieceOf_[value]) addReorder(used, pieceOf_[value]);
    std::vector<int>& copies = copies_[value];
    std::erase_if(copies, [&](int copy) { return !pieces_[copy].isShadow; });
    for (int shadow : copies) {
      const bool written = std::count(step.outputs.begin(), step.outputs.end(), shadow) > 0;
      if (!written) addReorder(pieceOf_[value], shadow);
    }
  }
}

void Compiler::addReorder(int from, int to) {
  PendingStep step;
  step.kernel = backend_.makeReorder(pieces_[from].desc, pieces_[to].desc);
  step.inputs = {from};
  step.outputs = {to};
  addStep(std::move(step), {});
}

// The piece that holds `value` in `layout`, made by a reorder where there is none.
int Compiler::pieceIn(int value, Layout layout) {
  const int main = pieceOf_[value];
  TensorDesc& desc = pieces_[main].desc;
  if (desc.layout == Layout::Undecided) desc.layout = backend_.storageLayout(layout);
  const Layout present = desc.layout;
  if (present == layout) return main;
  for (int copy : copies_[value]) {
    if (pieces_[copy].desc.layout == layout) return copy;
  }
  if (canShadow(value, layout)) return addShadow(value, layout);
  // Two layouts of the backend's own may see the shape differently: plain is between them.
  const bool direct = present == Layout::Plain || layout == Layout::Plain ||
                      backend_.reordersDirectly(present, layout);
  const int copy = addCopy(direct ? main : pieceIn(value, Layout::Plain), layout);
  copies_[value].push_back(copy);
  return copy;
}

// Whether `layout` is the parameter's own but for its precision, and the copy can be kept true: the
// updates before this one would not know of it.
bool Compiler::canShadow(int value, Layout layout) const {
  const Piece& main = pieces_[pieceOf_[value]];
  return main.persistent >= 0 && !shared(value) && !updated_[value] &&
         backend_.storageLayout(layout) == main.desc.layout;
}

int Compiler::addShadow(int value, Layout layout) {
  Piece shadow = pieces_[pieceOf_[value]];
  shadow.desc.layout = layout;
  shadow.isShadow = true;
  const int piece = addPiece(std::move(shadow));
  copies_[value].push_back(piece);
  return piece;
}

int Compiler::addCopy(int source, Layout layout) {
  TensorDesc desc = pieces_[source].desc;
  desc.layout = layout;
  const int copy = addPiece({.desc = desc});
  addReorder(source, copy);
  return copy;
}

// A view: the same memory under another shape, where the backend knows it as a layout of that, or
// else by the plain layout. Of a parameter a copy, since an optimizer step may change the parameter
// under a view of it.
void Compiler::addReshape(const NodeSpec& node) {
  const int target = node.outputs[0];
  const Shape& shape = graph_.values[target].shape;
  int source = pieceOf_[node.inputs[0]];
  const bool persistent = root(source).persistent >= 0;
  Layout layout = Layout::Undecided;
  if (!persistent) layout = backend_.viewLayout(pieces_[source].desc, shape);
  if (layout == Layout::Undecided) {
    layout = Layout::Plain;
    source = pieceIn(node.inputs[0], Layout::Plain);
    if (root(source).persistent >= 0) source = addCopy(source, Layout::Plain);
  }
  Piece view = pieces_[source];
  view.desc.shape = shape;
  view.desc.layout = layout;
  const int piece = addPiece(std::move(view));
  viewOf_[piece] = viewOf_.contains(source) ? viewOf_[source] : source;
  pieceOf_[target] = piece;
}

void Compiler::addStep(PendingStep step, const NodeSpec& node) {
  PlanInfo& plan = program_->plan_;
  plan.workspaceBytes = std::max(plan.workspaceBytes, step.kernel->workspaceBytes);
  const bool reorder = step.inputs.size() == 1 && node.inputs.empty();
  plan.steps.push_back({node.name, reorder ? "reorder" : opName(node.op),
                        reorder && !plan.steps.empty() ? plan.steps.back().phase : node.phase,
                        step.kernel->name});
  steps_.push_back(std::move(step));
}

void Compiler::addOutputs() {
  for (const OutputSpec& output : graph_.outputs) {
    outputPieces_.push_back(pieceIn(output.value, Layout::Plain));
  }
}

void Compiler::moveConstantsToTheFront() {
  if (std::ranges::any_of(updated_, std::identity())) return;
  std::vector<bool> isConstant(pieces_.size());
  for (size_t i = 0; i < pieces_.size(); ++i) isConstant[i] = pieces_[i].persistent >= 0;
  std::vector<PendingStep> constants, others;
  std::vector<PlanStep> plan;
  for (size_t i = 0; i < steps_.size(); ++i) {
    const bool all =
        std::ranges::all_of(steps_[i].inputs, [&](int piece) { return isConstant[rootOf(piece)]; });
    if (!all) plan.push_back(std::move(program_->plan_.steps[i]));
    for (int piece : steps_[i].outputs) isConstant[rootOf(piece)] = all;
    (all ? constants : others).push_back(std::move(steps_[i]));
  }
  constants_ = static_cast<int>(constants.size());
  std::ranges::move(others, std::back_inserter(constants));
  steps_ = std::move(constants);
  program_->plan_.steps = std::move(plan);
}

// By the steps in their final order. Inputs are uploaded before the first step that is no constant.
void Compiler::findLifetimes() {
  for (Piece& piece : pieces_) {
    const bool isInput = piece.life.first < 0;
    piece.life = {.first = isInput ? -1 : now(), .last = isInput ? constants_ : 0};
  }
  for (int i = 0; i < now(); ++i) {
    for (int output : steps_[i].outputs)
      root(output).life.first = std::min(root(output).life.first, i);
    for (const std::vector<int>* pieces : {&steps_[i].inputs, &steps_[i].outputs}) {
      for (int piece : *pieces) root(piece).life.last = std::max(root(piece).life.last, i);
    }
  }
  for (int piece : outputPieces_) root(piece).life.last = now() + 1;
  for (Piece& piece : pieces_) {
    Lifetime& life = piece.life;
    if (life.first >= 0 && life.first < constants_ && life.last >= constants_) {
      life.first = -1;
      life.last = now() + 1;
    }
  }
}

std::unique_ptr<Program> Program::compile(const GraphSpec& graph, Backend& backend,
                                          const KernelOptions& options, const Program* share,
                                          const std::atomic<bool>& cancel) {
  checkGraph(graph);
  return Compiler(foldBatchNorm(graph), backend, options, share, cancel).compile();
}

}  // namespace neuronode
