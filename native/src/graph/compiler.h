// Compiling one program: from a graph to kernels with agreed layouts (compile.cc) and placed memory
// (place_memory.cc). Gone when the program is there.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "graph/memory_plan.h"
#include "graph/program.h"

namespace neuronode {

class Compiler {
 public:
  Compiler(GraphSpec graph, Backend& backend, const KernelOptions& options, const Program* share,
           const std::atomic<bool>& cancel)
      : graph_(std::move(graph)),
        backend_(backend),
        options_(options),
        share_(share),
        cancel_(cancel) {}

  std::unique_ptr<Program> compile();

 private:
  // One piece of memory, in one layout.
  struct Piece {
    TensorDesc desc;
    int persistent = -1;  // the parameter's or state's value id; else it lives in the arena
    bool isShadow = false;
    Lifetime life = {};
    void* address = nullptr;  // of persistent ones, once placed
  };
  struct PendingStep {
    std::unique_ptr<Kernel> kernel;
    std::vector<int> inputs, outputs;  // pieces
  };

  // compile.cc
  void checkFits() const;
  void placeValues();
  void findFirstReaders();
  void addNode(const FusedNode& node);
  FusedNode withShadows(const FusedNode& node);
  TensorDesc descOf(int value) const;
  Layout hintFor(int value);
  void finishUpdate(const FusedNode& node, const PendingStep& step);
  void addReshape(const NodeSpec& node);
  void addReorder(int from, int to);
  void addStep(PendingStep step, const NodeSpec& node);
  void addOutputs();
  void moveConstantsToTheFront();
  void findLifetimes();
  int pieceIn(int value, Layout layout);
  bool canShadow(int value, Layout layout) const;
  int addShadow(int value, Layout layout);
  int addCopy(int source, Layout layout);
  int addPiece(Piece piece);

  // place_memory.cc
  void placePersistent();
  void placeShared(Piece& piece, const Program::Persistent& from);
  void placeOwned(const std::vector<int>& pieces);
  void registerPersistent();
  void placeArena();
  void finishProgram();
  std::string suggestedBatch() const;
  void* address(int piece);
  std::vector<void*> addresses(const std::vector<int>& pieces);

  // What the program to share with holds of a value, or null.
  const Program::Persistent* shared(int value) const;
  int valueCount() const { return static_cast<int>(graph_.values.size()); }
  int now() const { return static_cast<int>(steps_.size()); }
  // A view's source; else the piece itself.
  int rootOf(int piece) const {
    auto found = viewOf_.find(piece);
    return found == viewOf_.end() ? piece : found->second;
  }
  Piece& root(int piece) { return pieces_[rootOf(piece)]; }

  const GraphSpec graph_;
  Backend& backend_;
  const KernelOptions& options_;
  const Program* share_;
  const std::atomic<bool>& cancel_;
  std::unique_ptr<Program> program_;
  std::vector<FusedNode> nodes_;
  std::vector<std::pair<int, size_t>> firstReader_;  // by value id: node (or -1) and input
  std::vector<Piece> pieces_;
  std::vector<int> pieceOf_;                // by value id
  std::map<int, std::vector<int>> copies_;  // by value id: pieces in other layouts
  std::map<int, int> viewOf_;               // a reshape's piece -> its source
  std::vector<bool> updated_;               // by value id: whether a step so far updates it
  std::vector<PendingStep> steps_;
  int constants_ = 0;  // how many of the first steps run only where parameters have changed
  std::vector<int> outputPieces_;
  std::shared_ptr<Buffer> owned_;  // the parameters and state that are not shared
};

}  // namespace neuronode
