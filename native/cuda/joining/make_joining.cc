// Adapts the kernels that move elements to the backend's Kernel.
//
// Policy: they compute in plain order or channels-last, whichever comes, and write what they read:
// the storage of the first input, which those that join several ask of all.
#include "joining/copies.h"
#include "kernel_request.h"
#include "walk_options.h"

namespace neuronode::cuda {

namespace {

using Pointers = FunctionKernel::Pointers;

class Joining {
 public:
  explicit Joining(const KernelRequest& request)
      : request_(request), attrs_(request.node.spec.attrs), stream_(request.context.compute()) {
    if (!request.inputs.empty()) info_ = request.walkable(request.inputs[0]);
  }

  std::unique_ptr<Kernel> make() {
    switch (request_.op()) {
      case Op::Fill:
        return fill();
      case Op::Expand:
        return expand();
      case Op::Concat:
        return concat();
      case Op::Slice:
        return slice();
      case Op::Pad:
        return attrs_.flag("mode") ? extend(input()) : pad();
      default:  // PadGrad
        return extend(output());
    }
  }

 private:
  const Shape& input() const { return request_.inputs[0].shape; }
  const Shape& output() const { return request_.outputs[0].shape; }
  Axes axesOf(const Shape& shape) const { return memoryAxes(shape, info_.order); }
  Axes list(const char* name) const {
    const std::vector<double>& values = attrs_.list(name, input().size());
    return Axes(values.begin(), values.end());
  }

  std::unique_ptr<Kernel> kernel(FunctionKernel::Body body) const {
    const Layout layout = request_.layout(info_);
    return std::make_unique<FunctionKernel>(opName(request_.op()),
                                            std::vector<Layout>(request_.inputs.size(), layout),
                                            std::vector{layout}, std::move(body));
  }

  int64_t offsetOf(const Shape& shape, const Axes& starts) const {
    return neuronode::offsetOf(axesOf(shape), axesOf(starts));
  }

  Nest<2> boxNest(const Shape& box, const Shape& to, const Shape& from) const {
    return makeNest<2>(axesOf(box), {rowStrides(axesOf(to)), rowStrides(axesOf(from))});
  }

  std::unique_ptr<Kernel> fill() const {
    return kernel(
        [stream = stream_, count = elementCount(output()),
         value = static_cast<float>(attrs_.number("value"))](Pointers, Pointers out, void*) {
          cuda::fill(stream, {out[0], Storage::F32}, count, value);
        });
  }

  std::unique_ptr<Kernel> expand() const {
    const auto nest = makeNest<2>(axesOf(output()),
                                  {rowStrides(axesOf(output())), repeatedStrides(axesOf(input()))});
    return kernel(
        [stream = stream_, nest, storage = info_.storage](Pointers in, Pointers out, void*) {
          copy(stream, {out[0], storage}, {in[0], storage}, nest);
        });
  }

  std::unique_ptr<Kernel> concat() {
    for (const TensorDesc& desc : request_.inputs) {
      const LayoutInfo own = request_.walkable(desc);
      if (own.order == Order::ChannelsLast) info_.order = own.order;
      if (own.storage == Storage::F32) info_.storage = own.storage;
    }
    struct Part {
      Nest<2> nest;
      int64_t offset;
    };
    std::vector<Part> parts;
    Axes starts(output().size());
    const auto axis = static_cast<size_t>(attrs_.integer("axis"));
    for (const TensorDesc& desc : request_.inputs) {
      parts.push_back({boxNest(desc.shape, output(), desc.shape), offsetOf(output(), starts)});
      starts[axis] += desc.shape[axis];
    }
    return kernel(
        [stream = stream_, parts, storage = info_.storage](Pointers in, Pointers out, void*) {
          for (size_t i = 0; i < parts.size(); ++i) {
            copy(stream, from({out[0], storage}, parts[i].offset), {in[i], storage}, parts[i].nest);
          }
        });
  }

  std::unique_ptr<Kernel> slice() const {
    return kernel([stream = stream_, storage = info_.storage,
                   nest = boxNest(output(), output(), input()),
                   offset = offsetOf(input(), list("starts"))](Pointers in, Pointers out, void*) {
      copy(stream, {out[0], storage}, from({in[0], storage}, offset), nest);
    });
  }

  std::unique_ptr<Kernel> pad() const {
    return kernel([stream = stream_, storage = info_.storage, count = elementCount(output()),
                   value = static_cast<float>(attrs_.number("value")),
                   nest = boxNest(input(), output(), input()),
                   offset = offsetOf(output(), list("before"))](Pointers in, Pointers out, void*) {
      cuda::fill(stream, {out[0], storage}, count, value);
      copy(stream, from({out[0], storage}, offset), {in[0], storage}, nest);
    });
  }

  // Padding by what the image holds, and its gradient. `x` is what is padded.
  std::unique_ptr<Kernel> extend(const Shape& x) const {
    math::Border border = borderOf(attrs_, x);
    border.inner = info_.order == Order::ChannelsLast ? x[1] : 1;
    border.outer = elementCount(x) / (border.height * border.width * border.inner);
    const auto run = request_.op() == Op::Pad ? cuda::extend : extendGrad;
    return kernel(
        [stream = stream_, run, border, storage = info_.storage](Pointers in, Pointers out, void*) {
          run(stream, {in[0], storage}, {out[0], storage}, border);
        });
  }

  const KernelRequest& request_;
  const Attrs& attrs_;
  cudaStream_t stream_;
  LayoutInfo info_;
};

}  // namespace

std::unique_ptr<Kernel> makeJoining(const KernelRequest& request) {
  return Joining(request).make();
}

}  // namespace neuronode::cuda
