// Asks the real cuDNN for a plan for every convolution of cases.h, on a machine without a GPU: for
// a described device, through the very code that plans on a real one. Every case must have a plan
// within the workspace cap, or be one of those that run as a matrix product.
//
// Usage: neuronode_cudnn_planning [--write]. The answers are compared with plans.txt, which the
// emulation reads to refuse what cuDNN refuses; --write makes it anew.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "cases.h"
#include "convolution/cudnn_graph.h"
#include "convolution/cudnn_status.h"
#include "error.h"
#include "execution.h"

namespace neuronode::cuda::planning {

namespace {

// What cuDNN said to one problem: "engine workspace", or why not.
struct Answer {
  bool supported = false, needsDriver = false;
  size_t workspace = 0;
  std::string engine, words;

  // The engine without its settings.
  std::string family() const { return engine.substr(0, engine.find('_')); }
  std::string line() const {
    if (supported) return "plan " + family() + " " + std::to_string(workspace);
    return needsDriver ? "refused, run-time compilation untried" : "refused";
  }
};

constexpr const char* kDeterministic = " deterministic";

std::string readFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Planning {
 public:
  explicit Planning(const std::string& folder)
      : target_{nullptr, readFile(folder + "/h100.json"), 90} {}

  const Answer& ask(const ConvProblem& problem, bool deterministic) {
    const std::string name = problemName(problem) + (deterministic ? kDeterministic : "");
    limits_.deterministic = deterministic;
    auto found = answers_.find(name);
    if (found != answers_.end()) return found->second;
    Answer answer;
    CudnnRefusal refusal;
    if (const auto graph = CudnnGraph::build(problem, limits_, target_, &refusal)) {
      answer = {true, false, graph->workspaceBytes(), graph->engine(), ""};
      stored_ += !graph->serialized().empty();
      checkExecution(problem, *graph);
      if (answer.workspace > limits_.workspaceBytes) {
        throw std::runtime_error(name + " wants more than the cap: " + answer.line());
      }
    } else {
      answer = {false, refusal.runtimeCompiled, 0, "", refusal.words};
    }
    order_.push_back(name);
    return answers_[name] = answer;
  }

  // The first attempt that has a plan, as the backend takes it; asks for the others as well.
  std::string choose(const Case& test, bool deterministic) {
    std::string chosen;
    for (const ConvAttempt& attempt :
         convAttempts(test.geometry, test.precision, test.bias, test.relu)) {
      const Answer& answer = ask(attempt.problem, deterministic);
      if (!chosen.empty() || !answer.supported) continue;
      const bool passes = attempt.biasAfter || attempt.reluAfter;
      const bool wider = attempt.problem.precision != test.precision;
      chosen = std::string(wider ? "as tf32" : passes ? "own bias and ReLU" : "as asked");
    }
    return chosen.empty() ? "matrix product" : chosen;
  }

  std::string table() const {
    std::ostringstream text;
    text << "# " << cudnnVersionText() << ", planned for NVIDIA H100 80GB HBM3 (sm_90), cap "
         << (limits_.workspaceBytes >> 20) << " MiB. Deterministic where that differs.\n";
    for (const std::string& name : order_) {
      const std::string line = answers_.at(name).line();
      const size_t suffix = name.rfind(kDeterministic);
      const bool same =
          suffix != std::string::npos && answers_.at(name.substr(0, suffix)).line() == line;
      if (!same) text << name << " = " << line << "\n";
    }
    return text.str();
  }

  void printWords(const std::string& name) const {
    const Answer& answer = answers_.at(name);
    if (!answer.supported) std::cout << name << ": " << answer.words << "\n";
  }
  void printRefusals() const {
    for (const std::string& name : order_) printWords(name);
  }
  void printSummary() const {
    size_t supported = 0, untried = 0, workspace = 0;
    std::map<std::string, int> engines;
    for (const auto& [name, answer] : answers_) {
      supported += answer.supported;
      untried += answer.needsDriver;
      workspace = std::max(workspace, answer.workspace);
      if (answer.supported) ++engines[answer.family()];
    }
    std::cout << answers_.size() << " problems, deterministic and not: " << supported
              << " planned, " << answers_.size() - supported << " refused (" << untried
              << " of them for engines compiled at run time, which want the driver)\n"
              << stored_
              << " plans can be stored, and were given every tensor under its id; "
                 "largest workspace "
              << workspace << " bytes\n";
    for (const auto& [engine, count] : engines)
      std::cout << "  " << engine << ": " << count << "\n";
  }

 private:
  // Every tensor reaches the library under its own id.
  static void checkExecution(const ConvProblem& problem, const CudnnGraph& graph) {
    char memory[5];
    const ConvPointers pointers{&memory[0], &memory[1], &memory[2], &memory[3]};
    std::map<int64_t, void*> expected{{CudnnGraph::kX, pointers.x},
                                      {CudnnGraph::kFilter, pointers.filter},
                                      {CudnnGraph::kY, pointers.y}};
    if (problem.bias) expected[CudnnGraph::kBias] = pointers.bias;
    const Execution execution = execute(graph, pointers, &memory[4]);
    if (execution.tensors == expected && execution.workspace == &memory[4]) return;
    throw std::runtime_error(problemName(problem) + " is executed with the wrong pointers");
  }

  CudnnTarget target_;
  PlanLimits limits_;
  std::map<std::string, Answer> answers_;
  std::vector<std::string> order_;
  size_t stored_ = 0;
};

// Lines of one that the other has not.
void printDifference(const std::string& committed, const std::string& now) {
  const auto lines = [](const std::string& text) {
    std::vector<std::string> result;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) result.push_back(line);
    std::sort(result.begin(), result.end());
    return result;
  };
  const std::vector<std::string> a = lines(committed), b = lines(now);
  std::vector<std::string> gone, come;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(gone));
  std::set_difference(b.begin(), b.end(), a.begin(), a.end(), std::back_inserter(come));
  for (const std::string& line : gone) std::cout << "- " << line << "\n";
  for (const std::string& line : come) std::cout << "+ " << line << "\n";
}

int run(bool write, bool words) {
  const std::string folder = NN_PLANNING_FOLDER;
  Planning planning(folder);
  std::map<std::string, int> ways;
  const std::vector<Case> cases = planningCases(NN_OP_CASES);
  for (const Case& test : cases) {
    const std::string way = planning.choose(test, false);
    ++ways[way];
    ++ways["deterministic: " + planning.choose(test, true)];
    if (!test.name.starts_with("table ")) std::cout << test.name << ": " << way << "\n";
  }
  std::cout << cases.size() << " cases\n";
  for (const auto& [way, count] : ways) std::cout << "  " << way << ": " << count << "\n";
  planning.printSummary();
  if (words) planning.printRefusals();
  const std::string table = planning.table();
  if (write) {
    std::ofstream(folder + "/plans.txt") << table;
    return 0;
  }
  const std::string committed = readFile(folder + "/plans.txt");
  if (committed == table) {
    std::cout << "as committed in plans.txt\n";
    return 0;
  }
  printDifference(committed, table);
  std::cout << "plans.txt differs from what this cuDNN says\n";
  return 1;
}

}  // namespace

}  // namespace neuronode::cuda::planning

int main(int argc, char** argv) {
  const auto has = [&](const char* flag) {
    return std::any_of(argv + 1, argv + argc,
                       [&](const char* arg) { return flag == std::string(arg); });
  };
  try {
    return neuronode::cuda::planning::run(has("--write"), has("--refusals"));
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
