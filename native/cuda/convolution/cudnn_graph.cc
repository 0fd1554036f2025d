#include "convolution/cudnn_graph.h"

#include <cudnn_frontend.h>

#include "convolution/cudnn_status.h"
#include "error.h"

namespace neuronode::cuda {

namespace fe = cudnn_frontend;

namespace {

using Uid = CudnnGraph::Uid;

fe::DataType_t typeOf(Storage storage) {
  return storage == Storage::F32 ? fe::DataType_t::FLOAT : fe::DataType_t::BFLOAT16;
}

// dims [n, c, h, w], laid out as [n, h, w, c].
fe::graph::Tensor_attributes tensor(const char* name, Uid uid, Storage storage,
                                    const std::vector<int64_t>& dims) {
  const int64_t c = dims[1], h = dims[2], w = dims[3];
  return fe::graph::Tensor_attributes()
      .set_name(name)
      .set_uid(uid)
      .set_data_type(typeOf(storage))
      .set_dim(dims)
      .set_stride({h * w * c, 1, w * c, c});
}

fe::graph::Tensor_attributes xTensor(const ConvProblem& p) {
  return tensor("x", CudnnGraph::kX, p.x, {p.n, p.c, p.h, p.w});
}
fe::graph::Tensor_attributes filterTensor(const ConvProblem& p) {
  return tensor("filter", CudnnGraph::kFilter, p.filter, {p.k, p.c / p.groups, p.r, p.s});
}
fe::graph::Tensor_attributes yTensor(const ConvProblem& p) {
  return tensor("y", CudnnGraph::kY, p.y, {p.n, p.k, p.oh, p.ow});
}

// Gives the output that a node made the place and type that we want it in.
void setOutput(const std::shared_ptr<fe::graph::Tensor_attributes>& made,
               const fe::graph::Tensor_attributes& wanted) {
  made->set_output(true)
      .set_name(wanted.get_name())
      .set_uid(wanted.get_uid())
      .set_data_type(wanted.get_data_type())
      .set_dim(wanted.get_dim())
      .set_stride(wanted.get_stride());
}

template <class Attributes>
Attributes convAttributes(const ConvProblem& p) {
  return Attributes()
      .set_padding({p.padH, p.padW})
      .set_stride({p.strideH, p.strideW})
      .set_dilation({p.dilationH, p.dilationW});
}

void addForward(fe::graph::Graph& graph, const ConvProblem& p) {
  auto y = graph.conv_fprop(graph.tensor(xTensor(p)), graph.tensor(filterTensor(p)),
                            convAttributes<fe::graph::Conv_fprop_attributes>(p));
  const std::vector<int64_t> dims = yTensor(p).get_dim(), strides = yTensor(p).get_stride();
  const auto pointwise = [&](fe::PointwiseMode_t mode) {
    y->set_dim(dims).set_stride(strides);  // of the value in between, which is never stored
    return fe::graph::Pointwise_attributes().set_mode(mode);
  };
  if (p.bias) {
    auto bias = graph.tensor(tensor("bias", CudnnGraph::kBias, p.y, {1, p.k, 1, 1}));
    y = graph.pointwise(y, bias, pointwise(fe::PointwiseMode_t::ADD));
  }
  if (p.relu) y = graph.pointwise(y, pointwise(fe::PointwiseMode_t::RELU_FWD));
  setOutput(y, yTensor(p));
}

void addInputGrad(fe::graph::Graph& graph, const ConvProblem& p) {
  setOutput(graph.conv_dgrad(graph.tensor(yTensor(p)), graph.tensor(filterTensor(p)),
                             convAttributes<fe::graph::Conv_dgrad_attributes>(p)),
            xTensor(p));
}

void addWeightGrad(fe::graph::Graph& graph, const ConvProblem& p) {
  setOutput(graph.conv_wgrad(graph.tensor(yTensor(p)), graph.tensor(xTensor(p)),
                             convAttributes<fe::graph::Conv_wgrad_attributes>(p)),
            filterTensor(p));
}

void addProblem(fe::graph::Graph& graph, const ConvProblem& p) {
  switch (p.kind) {
    case ConvKind::Forward:
      return addForward(graph, p);
    case ConvKind::InputGrad:
      return addInputGrad(graph, p);
    case ConvKind::WeightGrad:
      return addWeightGrad(graph, p);
  }
}

std::vector<fe::NumericalNote_t> unwanted(const ConvProblem& problem, const PlanLimits& limits) {
  std::vector<fe::NumericalNote_t> notes{fe::NumericalNote_t::DOWN_CONVERT_INPUTS,
                                         fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION};
  if (problem.precision == Precision::F32) notes.push_back(fe::NumericalNote_t::TENSOR_CORE);
  if (limits.deterministic) notes.push_back(fe::NumericalNote_t::NONDETERMINISTIC);
  return notes;
}

void describeTarget(fe::graph::Graph& graph, const CudnnTarget& target) {
  if (target.handle) return;
  auto properties = std::make_shared<fe::DeviceProperties>();
  const std::vector<uint8_t> text(target.deviceProperties.begin(), target.deviceProperties.end());
  if (fe::error_t status = properties->deserialize(text); status.is_bad()) {
    failCudnn("DeviceProperties::deserialize", status.get_message());
  }
  graph.set_device_properties(properties).set_sm_version(target.smVersion);
}

}  // namespace

struct CudnnGraph::State {
  ConvProblem problem;
  fe::graph::Graph graph;
  bool loaded = false;
};

CudnnGraph::CudnnGraph(std::unique_ptr<State> state) : state_(std::move(state)) {}
CudnnGraph::~CudnnGraph() = default;

std::unique_ptr<CudnnGraph> CudnnGraph::build(const ConvProblem& problem, const PlanLimits& limits,
                                              const CudnnTarget& target, CudnnRefusal* refusal) {
  auto state = std::make_unique<State>();
  state->problem = problem;
  fe::graph::Graph& graph = state->graph;
  graph.set_io_data_type(fe::DataType_t::FLOAT)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  describeTarget(graph, target);
  addProblem(graph, problem);
  // A graph that does not hold together is a mistake of ours; what follows may be refused.
  if (fe::error_t status = graph.validate(); status.is_bad()) {
    failCudnn("validate " + problemName(problem), status.get_message());
  }
  const auto refused = [&](fe::error_t status) {
    if (status.is_good()) return false;
    if (refusal) {
      const std::string words = status.get_message();
      *refusal = {words, words.find("RUNTIME_PREREQUISITE_MISSING") != std::string::npos};
    }
    return true;
  };
  if (refused(graph.build_operation_graph(target.handle))) return nullptr;
  if (refused(graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}))) {
    return nullptr;
  }
  graph.deselect_numeric_notes(unwanted(problem, limits));
  graph.deselect_workspace_greater_than(static_cast<int64_t>(limits.workspaceBytes));
  if (refused(graph.check_support())) return nullptr;
  if (refused(graph.build_plans())) return nullptr;
  return std::unique_ptr<CudnnGraph>(new CudnnGraph(std::move(state)));
}

std::unique_ptr<CudnnGraph> CudnnGraph::load(const ConvProblem& problem, cudnnHandle_t handle,
                                             const std::vector<uint8_t>& serialized) {
  auto state = std::make_unique<State>();
  state->problem = problem;
  state->loaded = true;
  try {
    if (state->graph.deserialize(handle, serialized).is_bad()) return nullptr;
  } catch (const std::exception&) {  // the JSON library's: not what serialized() wrote
    return nullptr;
  }
  return std::unique_ptr<CudnnGraph>(new CudnnGraph(std::move(state)));
}

std::string CudnnGraph::engine() const {
  std::string name;
  if (!state_->loaded && state_->graph.get_plan_name(name).is_good()) return name;
  return "stored plan";
}

size_t CudnnGraph::workspaceBytes() const {
  int64_t bytes = 0;
  if (fe::error_t status = state_->graph.get_workspace_size(bytes); status.is_bad()) {
    failCudnn("get_workspace_size", status.get_message());
  }
  return static_cast<size_t>(bytes);
}

std::vector<uint8_t> CudnnGraph::serialized() const {
  std::vector<uint8_t> data;
  if (state_->graph.serialize(data).is_bad()) data.clear();
  return data;
}

void CudnnGraph::execute(cudnnHandle_t handle, const ConvPointers& pointers,
                         void* workspace) const {
  // In the order of their uids, which is how the library takes them.
  void* sorted[4];
  int count = 0;
  sorted[count++] = pointers.x;
  sorted[count++] = pointers.filter;
  if (state_->problem.bias) sorted[count++] = pointers.bias;
  sorted[count++] = pointers.y;
  if (fe::error_t status = state_->graph.execute(handle, sorted, count, workspace);
      status.is_bad()) {
    failCudnn("execute " + problemName(state_->problem), status.get_message());
  }
}

std::vector<int64_t> CudnnGraph::buildAll() {
  std::vector<int64_t> built;
  for (int64_t i = 0; i < state_->graph.get_execution_plan_count(); ++i) {
    if (state_->graph.build_plan_at_index(i).is_good()) built.push_back(i);
  }
  return built;
}

void CudnnGraph::use(int64_t place) {
  // Building a plan that is built already only makes it the one in use.
  if (fe::error_t status = state_->graph.build_plan_at_index(place); status.is_bad()) {
    failCudnn("build_plan_at_index", status.get_message());
  }
}

}  // namespace neuronode::cuda
