#include "binding/program_handle.h"

#include <exception>
#include <utility>

#include "binding/values.h"
#include "cpu/memory.h"

namespace neuronode::binding {

namespace {

constexpr size_t kMostKept = 2;  // what a caller with two runs in flight needs

}  // namespace

void StagingPool::prepare(const std::map<std::string, TensorDesc>& inputs, size_t runs) {
  size_t bytes = 0;
  for (const auto& [name, desc] : inputs) {
    bytes += static_cast<size_t>(elementCount(desc.shape)) * dtypeSize(desc.dtype);
  }
  checkHostMemory(runs * bytes);
  for (size_t i = 0; i < runs; ++i) {
    HostTensors tensors;
    for (const auto& [name, desc] : inputs) {
      tensors[name].bytes.resize(static_cast<size_t>(elementCount(desc.shape)) *
                                 dtypeSize(desc.dtype));
    }
    giveBack(std::move(tensors));
  }
}

HostTensors StagingPool::take() {
  std::lock_guard lock(mutex_);
  if (free_.empty()) return {};
  HostTensors tensors = std::move(free_.back());
  free_.pop_back();
  return tensors;
}

void StagingPool::giveBack(HostTensors tensors) {
  std::lock_guard lock(mutex_);
  if (free_.size() < kMostKept) free_.push_back(std::move(tensors));
}

void ProgramHandle::start(std::shared_ptr<HostTensors> inputs, Deferred deferred,
                          std::shared_ptr<EnvState::Completion> completion,
                          const std::shared_ptr<const std::atomic<bool>>& cancelled) {
  constexpr size_t kMostInFlight = 2;  // as many as executors have staging memory for
  while (flights_.size() >= kMostInFlight) land(*this);
  auto flight = std::make_shared<Flight>();
  flight->run = program->start(*inputs, *cancelled);
  staging.giveBack(std::move(*inputs));
  flight->handle = shared_from_this();
  flight->deferred = std::move(deferred);
  flight->completion = std::move(completion);
  flights_.push_back(flight);
  device.queue().poll([waiting = std::weak_ptr(flight), cancelled] {
    const std::shared_ptr<Flight> flight = waiting.lock();
    if (!flight) return true;  // landed meanwhile
    if (!*cancelled && !flight->run->isDone()) return false;
    // The oldest of its program: attempts are made in their order.
    land(*flight->handle);
    return true;
  });
}

void ProgramHandle::landAll() {
  while (!flights_.empty()) land(*this);
}

void ProgramHandle::land(ProgramHandle& handle) {
  Flight flight = std::move(*handle.flights_.front());
  handle.flights_.pop_front();
  EnvState::Settle settle;
  try {
    settle = resolution(flight.deferred, handle.program->finish(std::move(flight.run)),
                        [](Napi::Env env, HostTensors outputs) -> Napi::Value {
                          Napi::Object object = Napi::Object::New(env);
                          for (auto& [name, tensor] : outputs) {
                            object.Set(name, toTypedArray(env, std::move(tensor)));
                          }
                          return object;
                        });
  } catch (...) {
    settle = rejection(flight.deferred);
  }
  flight.handle.reset();
  (*flight.completion)(std::move(settle));
}

}  // namespace neuronode::binding
