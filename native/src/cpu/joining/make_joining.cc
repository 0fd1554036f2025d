// Adapts the kernels that move elements to the backend's Kernel.
//
// Policy: a blocked tensor stays blocked wherever whole blocks of channels are moved; otherwise the
// work is done in the plain layout.
#include <algorithm>

#include "cpu/channels.h"
#include "cpu/joining/copies.h"
#include "cpu/kernels.h"
#include "walk_options.h"

namespace neuronode {

namespace {

using Pointers = FunctionKernel::Pointers;

class Joining {
 public:
  explicit Joining(const KernelRequest& request)
      : request_(request), kernels_(copyKernels()), attrs_(request.node.spec.attrs) {}

  std::unique_ptr<Kernel> make() {
    switch (request_.node.spec.op) {
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
  const TensorDesc& input() const { return request_.inputs[0]; }
  const TensorDesc& output() const { return request_.outputs[0]; }
  int64_t block() const { return request_.backend.channelBlock(); }
  Axes axesOf(const Shape& shape, Layout layout) const {
    return memoryAxes(request_.backend, shape, layout);
  }
  Axes list(const char* name) const {
    const std::vector<double>& values = attrs_.list(name, input().shape.size());
    return Axes(values.begin(), values.end());
  }

  std::unique_ptr<Kernel> kernel(std::vector<Layout> in, Layout out,
                                 FunctionKernel::Body body) const {
    return std::make_unique<FunctionKernel>(opName(request_.node.spec.op), std::move(in),
                                            std::vector{out}, std::move(body));
  }

  // Blocked where the tensor is and channels are cut at blocks only.
  Layout layoutOf(const TensorDesc& desc, int64_t firstChannel) const {
    return firstChannel % block() == 0 ? planeLayout(desc) : Layout::Plain;
  }

  int64_t offsetOf(const Shape& shape, Axes starts, Layout layout) const {
    if (layout == Layout::Blocked) {
      starts[1] /= block();
      starts.push_back(0);
    }
    return neuronode::offsetOf(axesOf(shape, layout), starts);
  }

  // Loops over a box between memory of two shapes.
  Nest<2> boxNest(const Shape& box, const Shape& to, const Shape& from, Layout layout) const {
    return makeNest<2>(axesOf(box, layout),
                       {rowStrides(axesOf(to, layout)), rowStrides(axesOf(from, layout))});
  }

  std::unique_ptr<Kernel> fill() const {
    return kernel(
        {}, Layout::Plain,
        [&kernels = kernels_, count = elementCount(output().shape),
         value = static_cast<float>(attrs_.number("value"))](Pointers, Pointers out, void*) {
          kernels.fill(as<float>(out[0]), count, value);
        });
  }

  std::unique_ptr<Kernel> expand() const {
    const Shape &x = input().shape, &y = output().shape;
    // Blocks can be repeated; a channel cannot, other than in plain order.
    const Layout layout =
        !x.empty() && x.size() == 4 && x[1] == y[1] ? planeLayout(input()) : Layout::Plain;
    const Axes axes = axesOf(y, layout);
    const auto nest = makeNest<2>(axes, {rowStrides(axes), repeatedStrides(axesOf(x, layout))});
    return kernel({layout}, layout, [&kernels = kernels_, nest](Pointers in, Pointers out, void*) {
      kernels.copy(as<float>(out[0]), as<const float>(in[0]), nest);
    });
  }

  std::unique_ptr<Kernel> concat() const {
    const auto axis = static_cast<size_t>(attrs_.integer("axis"));
    Layout layout = Layout::Plain;
    for (const TensorDesc& desc : request_.inputs) {
      if (planeLayout(desc) == Layout::Blocked) layout = Layout::Blocked;
    }
    if (axis == 1) {
      for (const TensorDesc& desc : request_.inputs.first(request_.inputs.size() - 1)) {
        if (desc.shape[1] % block() != 0) layout = Layout::Plain;
      }
    }
    struct Part {
      Nest<2> nest;
      int64_t offset;
    };
    std::vector<Part> parts;
    Axes starts(output().shape.size());
    for (const TensorDesc& desc : request_.inputs) {
      parts.push_back({boxNest(desc.shape, output().shape, desc.shape, layout),
                       offsetOf(output().shape, starts, layout)});
      starts[axis] += desc.shape[axis];
    }
    return kernel(std::vector<Layout>(parts.size(), layout), layout,
                  [&kernels = kernels_, parts](Pointers in, Pointers out, void*) {
                    for (size_t i = 0; i < parts.size(); ++i) {
                      kernels.copy(as<float>(out[0]) + parts[i].offset, as<const float>(in[i]),
                                   parts[i].nest);
                    }
                  });
  }

  std::unique_ptr<Kernel> slice() const {
    const Axes starts = list("starts");
    const Layout layout = layoutOf(input(), starts.size() == 4 ? starts[1] : 0);
    return kernel(
        {layout}, layout,
        [&kernels = kernels_, nest = boxNest(output().shape, output().shape, input().shape, layout),
         offset = offsetOf(input().shape, starts, layout),
         plane = planeShape(request_.backend, output(), layout)](Pointers in, Pointers out, void*) {
          kernels.copy(as<float>(out[0]), as<const float>(in[0]) + offset, nest);
          channelKernels().zeroPaddingLanes(as<float>(out[0]), plane);
        });
  }

  std::unique_ptr<Kernel> pad() const {
    const Axes before = list("before");
    const auto value = static_cast<float>(attrs_.number("value"));
    Layout layout = layoutOf(input(), before.size() == 4 ? before[1] : 0);
    // Behind the last channel lie zeros.
    const bool addsChannels = layout == Layout::Blocked && output().shape[1] != input().shape[1];
    if (addsChannels && value != 0.0f) layout = Layout::Plain;
    const PlaneShape plane = planeShape(request_.backend, output(), layout);
    return kernel(
        {layout}, layout,
        [&kernels = kernels_, plane, value,
         nest = boxNest(input().shape, output().shape, input().shape, layout),
         offset = offsetOf(output().shape, before, layout)](Pointers in, Pointers out, void*) {
          kernels.fill(as<float>(out[0]), plane.elements(), value);
          kernels.copy(as<float>(out[0]) + offset, as<const float>(in[0]), nest);
          if (value != 0.0f) channelKernels().zeroPaddingLanes(as<float>(out[0]), plane);
        });
  }

  // Padding by what the image holds, and its gradient. `x` is what is padded.
  std::unique_ptr<Kernel> extend(const TensorDesc& x) const {
    const Layout layout = planeLayout(input());
    const Axes axes = axesOf(x.shape, layout);
    math::Border border = borderOf(attrs_, x.shape);
    border.inner = layout == Layout::Blocked ? block() : 1;
    border.outer = 1;
    for (size_t axis = 0; axis + 2 < x.shape.size(); ++axis) border.outer *= axes[axis];
    const auto run = request_.node.spec.op == Op::Pad ? kernels_.extend : kernels_.extendGrad;
    return kernel({layout}, layout, [run, border](Pointers in, Pointers out, void*) {
      run(as<const float>(in[0]), as<float>(out[0]), border);
    });
  }

  const KernelRequest& request_;
  const CopyKernels& kernels_;
  const Attrs& attrs_;
};

}  // namespace

std::unique_ptr<Kernel> makeJoining(const KernelRequest& request) {
  return Joining(request).make();
}

}  // namespace neuronode
