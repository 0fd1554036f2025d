#include "graph/program.h"

#include <algorithm>
#include <utility>

#include "error.h"

namespace neuronode {

std::vector<const void*> Program::checkInputs(const HostTensors& inputs) const {
  std::vector<const void*> data;
  for (auto& [name, port] : inputs_) {
    auto found = inputs.find(name);
    if (found == inputs.end()) throw Error(errc::kArgument, "input '" + name + "' is missing");
    const HostTensor& tensor = found->second;
    if (tensor.dtype != port.desc.dtype || tensor.bytes.size() != backend_.bytes(port.desc)) {
      throw Error(errc::kShape, "input '" + name + "' must be " + dtypeName(port.desc.dtype) + " " +
                                    shapeString(port.desc.shape));
    }
    data.push_back(tensor.bytes.data());
  }
  rules_.check([&](const std::string& name) { return inputs.at(name).bytes.data(); });
  return data;
}

void Program::runStep(const Step& step) { step.kernel->run(step.inputs, step.outputs, workspace_); }

void checkCancelled(const std::atomic<bool>& cancel) {
  if (cancel.load(std::memory_order_relaxed)) throw Error(errc::kCancelled, kShuttingDown);
}

void Program::refreshConstants(const std::atomic<bool>& cancel) {
  if (constants_.empty() || constantsOf_ == *changes_) return;
  for (const Step& step : constants_) {
    checkCancelled(cancel);
    runStep(step);
  }
  constantsOf_ = *changes_;
}

std::unique_ptr<PendingRun> Program::start(const HostTensors& inputs,
                                           const std::atomic<bool>& cancel) {
  const std::vector<const void*> data = checkInputs(inputs);
  refreshConstants(cancel);
  if (updates_) noteChange();
  return executor_->start(data, [&] {
    for (const Step& step : steps_) {
      checkCancelled(cancel);
      runStep(step);
    }
  });
}

HostTensors Program::finish(std::unique_ptr<PendingRun> run) {
  std::vector<std::vector<std::byte>> written = run->finish();
  HostTensors results;
  size_t next = 0;
  for (auto& [name, port] : outputs_) {
    results[name] = {port.desc.dtype, port.desc.shape, std::move(written[next++])};
  }
  return results;
}

std::vector<Program::Saved> Program::savePersistent() {
  std::vector<Saved> saved;
  const auto save = [&](const Copy& copy) {
    saved.push_back({copy.data, std::vector<std::byte>(backend_.bytes(copy.desc))});
    backend_.download(saved.back().bytes.data(), copy.data, saved.back().bytes.size());
  };
  for (auto& [name, entry] : persistent_) {
    save(entry.main);
    for (const Copy& shadow : entry.shadows) save(shadow);
  }
  return saved;
}

std::vector<double> Program::profile(const HostTensors& inputs, int iterations,
                                     const std::atomic<bool>& cancel) {
  const std::vector<const void*> data = checkInputs(inputs);
  const std::vector<Saved> saved = savePersistent();
  auto restore = [&] {
    for (const Saved& copy : saved) {
      backend_.upload(copy.data, copy.bytes.data(), copy.bytes.size());
    }
  };
  std::vector<std::vector<double>> times(steps_.size());
  if (updates_) noteChange();
  refreshConstants(cancel);
  try {
    for (int i = 0; i < iterations; ++i) {
      size_t next = 0;
      for (auto& [name, port] : inputs_) {
        backend_.upload(port.data, data[next++], backend_.bytes(port.desc));
      }
      const std::unique_ptr<Laps> laps = backend_.makeLaps();
      laps->mark();
      for (const Step& step : steps_) {
        checkCancelled(cancel);
        runStep(step);
        laps->mark();
      }
      const std::vector<double> took = laps->milliseconds();
      for (size_t s = 0; s < steps_.size(); ++s) times[s].push_back(took[s]);
    }
  } catch (...) {
    restore();
    throw;
  }
  restore();
  std::vector<double> medians;
  for (std::vector<double>& samples : times) {
    std::nth_element(samples.begin(), samples.begin() + samples.size() / 2, samples.end());
    medians.push_back(samples[samples.size() / 2]);
  }
  return medians;
}

Program::Persistent& Program::persistent(const std::string& name) {
  auto found = persistent_.find(name);
  if (found == persistent_.end()) {
    throw Error(errc::kArgument, "the program has no parameter or state '" + name + "'");
  }
  return found->second;
}

namespace {

// Runs a kernel with one input and one output that brings memory of its own for the workspace.
void runReorder(Backend& backend, const TensorDesc& from, const TensorDesc& to, void* source,
                void* target) {
  std::unique_ptr<Kernel> reorder = backend.makeReorder(from, to);
  std::unique_ptr<Buffer> workspace = backend.allocate(reorder->workspaceBytes);
  reorder->run({&source, 1}, {&target, 1}, workspace->data());
  backend.synchronize();  // the memory goes
}

}  // namespace

size_t Program::hostBytes(const std::string& name) {
  const TensorDesc& desc = persistent(name).main.desc;
  return static_cast<size_t>(elementCount(desc.shape)) * dtypeSize(desc.dtype);
}

HostTensor Program::read(const std::string& name) {
  const Copy source = persistent(name).main;
  TensorDesc plain = source.desc;
  plain.layout = Layout::Plain;
  HostTensor result{plain.dtype, plain.shape, std::vector<std::byte>(backend_.bytes(plain))};
  if (source.desc.layout == Layout::Plain) {
    backend_.download(result.bytes.data(), source.data, result.bytes.size());
    return result;
  }
  std::unique_ptr<Buffer> copy = backend_.allocate(result.bytes.size());
  runReorder(backend_, source.desc, plain, source.data, copy->data());
  backend_.download(result.bytes.data(), copy->data(), result.bytes.size());
  return result;
}

void Program::write(const std::string& name, const HostTensor& value) {
  const Persistent& target = persistent(name);
  noteChange();
  TensorDesc plain = target.main.desc;
  plain.layout = Layout::Plain;
  if (value.dtype != plain.dtype || value.bytes.size() != backend_.bytes(plain)) {
    throw Error(errc::kShape,
                name + " must be " + dtypeName(plain.dtype) + " " + shapeString(plain.shape));
  }
  if (target.main.desc.layout == Layout::Plain) {
    backend_.upload(target.main.data, value.bytes.data(), value.bytes.size());
  } else {
    std::unique_ptr<Buffer> copy = backend_.allocate(value.bytes.size());
    backend_.upload(copy->data(), value.bytes.data(), value.bytes.size());
    runReorder(backend_, plain, target.main.desc, copy->data(), target.main.data);
  }
  for (const Copy& shadow : target.shadows) {
    runReorder(backend_, target.main.desc, shadow.desc, target.main.data, shadow.data);
  }
}

}  // namespace neuronode
