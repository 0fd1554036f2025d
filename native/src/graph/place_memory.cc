// The memory of a program: one allocation for the parameters and state that it does not share, one
// for everything else. Nothing is allocated after compile().
#include <algorithm>
#include <cstring>
#include <functional>
#include <utility>

#include "error.h"
#include "graph/compiler.h"

namespace neuronode {

namespace {

// What devices want of a tensor that is read by many kernels.
constexpr size_t kPersistentAlignment = 256;

// A state's kind: `exp_avg.conv.weight` is one of `exp_avg`.
std::string statePrefix(const std::string& name) { return name.substr(0, name.find('.')); }

}  // namespace

void Compiler::placePersistent() {
  std::vector<int> owned;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    Piece& piece = pieces_[i];
    if (piece.persistent < 0) continue;
    if (piece.desc.layout == Layout::Undecided) piece.desc.layout = Layout::Plain;  // never read
    if (const Program::Persistent* from = shared(piece.persistent)) {
      placeShared(piece, *from);
    } else {
      owned.push_back(static_cast<int>(i));
    }
  }
  placeOwned(owned);
  registerPersistent();
}

void Compiler::placeShared(Piece& piece, const Program::Persistent& from) {
  piece.address = from.main.data;
  for (const Program::Copy& shadow : from.shadows) {
    if (piece.isShadow && shadow.desc.layout == piece.desc.layout) piece.address = shadow.data;
  }
}

// Parameters side by side, then their shadows, then each kind of state: what updates them streams
// through each.
void Compiler::placeOwned(const std::vector<int>& pieces) {
  std::map<std::string, int> kinds;  // of state, in the order of their appearance
  std::vector<std::pair<int, int>> order;
  for (int piece : pieces) {
    const ValueSpec& value = graph_.values[pieces_[piece].persistent];
    int rank = pieces_[piece].isShadow ? 1 : 0;
    if (value.kind == ValueKind::State) {
      const int next = static_cast<int>(kinds.size()) + 2;
      rank = kinds.emplace(statePrefix(value.name), next).first->second;
    }
    order.push_back({rank, piece});
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t total = 0;
  std::vector<size_t> offsets;
  for (auto [rank, piece] : order) {
    offsets.push_back(total);
    const size_t bytes = backend_.bytes(pieces_[piece].desc);
    total += (bytes + kPersistentAlignment - 1) / kPersistentAlignment * kPersistentAlignment;
  }
  if (total == 0) return;
  owned_ = backend_.allocate(total);
  program_->plan_.ownedBytes += total;
  for (size_t i = 0; i < order.size(); ++i) {
    pieces_[order[i].second].address = static_cast<std::byte*>(owned_->data()) + offsets[i];
  }
}

void Compiler::registerPersistent() {
  for (int i = 0; i < valueCount(); ++i) {
    if (!isPersistent(graph_.values[i])) continue;
    Program::Persistent entry;
    const Program::Persistent* from = shared(i);
    entry.memory = from ? from->memory : owned_;
    program_->persistent_[graph_.values[i].name] = std::move(entry);
  }
  for (const Piece& piece : pieces_) {
    if (piece.persistent < 0) continue;
    Program::Persistent& entry = program_->persistent_.at(graph_.values[piece.persistent].name);
    const Program::Copy copy{piece.desc, piece.address};
    if (piece.isShadow) {
      entry.shadows.push_back(copy);
    } else {
      entry.main = copy;
    }
    program_->plan_.persistentBytes += backend_.bytes(piece.desc);
  }
}

void Compiler::placeArena() {
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
  for (size_t i = 0; i < owners.size(); ++i) pieces_[owners[i]].life = lifetimes[i];
  try {
    program_->arena_ = backend_.allocate(plan.arenaBytes);
    program_->workspace_ =
        static_cast<std::byte*>(program_->arena_->data()) + lifetimes.back().offset;
    finishProgram();
  } catch (const Error& error) {
    if (std::strcmp(error.code(), errc::kOutOfMemory) != 0) throw;
    throw Error(errc::kOutOfMemory, error.what() + suggestedBatch());
  }
}

void Compiler::finishProgram() {
  for (int i = 0; i < now(); ++i) {
    PendingStep& step = steps_[i];
    std::vector<Program::Step>& steps = i < constants_ ? program_->constants_ : program_->steps_;
    steps.push_back({std::move(step.kernel), addresses(step.inputs), addresses(step.outputs)});
  }
  program_->updates_ = std::ranges::any_of(updated_, std::identity());
  if (share_) program_->changes_ = share_->changes_;
  for (int i = 0; i < valueCount(); ++i) {
    if (graph_.values[i].kind != ValueKind::Input) continue;
    program_->inputs_[graph_.values[i].name] = {pieces_[pieceOf_[i]].desc, address(pieceOf_[i])};
  }
  for (size_t i = 0; i < outputPieces_.size(); ++i) {
    program_->outputs_[graph_.outputs[i].name] = {pieces_[outputPieces_[i]].desc,
                                                  address(outputPieces_[i])};
  }
  const auto transfers = [&](const std::map<std::string, Program::Copy>& ports) {
    std::vector<Transfer> result;
    for (auto& [name, port] : ports) result.push_back({port.data, backend_.bytes(port.desc)});
    return result;
  };
  program_->executor_ =
      backend_.makeExecutor(transfers(program_->inputs_), transfers(program_->outputs_));
}

// What would fit, as far as memory grows with the batch: the rows of the largest input.
std::string Compiler::suggestedBatch() const {
  const size_t arena = program_->plan_.arenaBytes;
  int64_t batch = 0, largest = 0;
  size_t needed = arena;
  for (int i = 0; i < valueCount(); ++i) {
    const ValueSpec& value = graph_.values[i];
    if (value.kind != ValueKind::Input) continue;
    // Each run under way has inputs of its own as well.
    if (backend_.isAsynchronous()) needed += 2 * backend_.bytes(pieces_[pieceOf_[i]].desc);
    if (value.shape.size() < 2 || elementCount(value.shape) <= largest) continue;
    largest = elementCount(value.shape);
    batch = value.shape[0];
  }
  if (batch < 2 || needed == 0) return "";
  const size_t left = backend_.availableBytes() + (program_->arena_ ? arena : 0);
  const double share = static_cast<double>(left) / static_cast<double>(needed);
  const auto fits = static_cast<int64_t>(static_cast<double>(batch) * std::min(share, 1.0));
  if (fits < 1) return "; not even a batch of 1 would fit";
  return "; a batch of about " + std::to_string(std::min(fits, batch - 1)) +
         " would fit instead of " + std::to_string(batch);
}

void* Compiler::address(int piece) {
  const Piece& owner = root(piece);
  if (owner.persistent >= 0) return owner.address;
  return static_cast<std::byte*>(program_->arena_->data()) + owner.life.offset;
}

std::vector<void*> Compiler::addresses(const std::vector<int>& pieces) {
  std::vector<void*> result;
  for (int piece : pieces) result.push_back(address(piece));
  return result;
}

}  // namespace neuronode
