// Local response normalisation over channels, forward and gradient.
//
// Policy: an element is a thread's; it sums its window by itself, in the order of the channels, as
// the CPU does. The gradient writes what its windows sum, gy y / base, before it sums it.
#include "kernels/access.h"
#include "normalisation/local_response_norm.h"

namespace neuronode::cuda {

// The channels around an element, and what all elements share.
struct ResponseWindows {
  int64_t channels, channelStep;
  int64_t before, after;
  math::ResponseNorm norm;

  // The sum of value(index) over the channels from `below` before that of element i to `above`
  // behind it.
  template <class Value>
  NN_DEVICE float sum(int64_t i, int64_t below, int64_t above, Value value) const {
    const int64_t c = i / channelStep % channels;
    const int64_t first = c < below ? -c : -below;
    const int64_t last = channels - 1 - c < above ? channels - 1 - c : above;
    float total = 0.0f;
    for (int64_t d = first; d <= last; ++d) total += value(i + d * channelStep);
    return total;
  }

  NN_DEVICE float base(const Floats& x, int64_t i) const {
    return math::responseBase(norm, sum(i, before, after, [&](int64_t at) {
                                const float value = loadAt(x, at);
                                return value * value;
                              }));
  }
};

template <bool kThreeQuarters>
struct ResponseForward {
  ResponseWindows windows;
  Floats x, y;

  NN_DEVICE void operator()(int64_t i) const {
    const float base = windows.base(x, i);
    storeAt(y, i, loadAt(x, i) / math::responseDivisor<kThreeQuarters>(windows.norm, base));
  }
};

template <bool kThreeQuarters>
struct ResponseTerms {
  ResponseWindows windows;
  Floats gy, x;
  float* terms;

  NN_DEVICE void operator()(int64_t i) const {
    const float base = windows.base(x, i);
    const float direct = loadAt(gy, i) / math::responseDivisor<kThreeQuarters>(windows.norm, base);
    terms[i] = direct * loadAt(x, i) / base;
  }
};

template <bool kThreeQuarters>
struct ResponseBackward {
  ResponseWindows windows;
  Floats gy, x, gx;
  const float* terms;

  NN_DEVICE void operator()(int64_t i) const {
    const float base = windows.base(x, i);
    const float direct = loadAt(gy, i) / math::responseDivisor<kThreeQuarters>(windows.norm, base);
    // An input lies in the windows of the channels from `after` before it to `before` behind it.
    const float sum =
        windows.sum(i, windows.after, windows.before, [&](int64_t at) { return terms[at]; });
    storeAt(gx, i, direct - windows.norm.slope * loadAt(x, i) * sum);
  }
};

namespace {

ResponseWindows windowsOf(const ResponseShape& shape) {
  return {shape.channels, shape.channelStep, shape.options.before(), shape.options.after(),
          math::responseNorm(shape.options)};
}

template <class Fn>
void withPower(const ResponseWindows& windows, Fn fn) {
  if (math::isThreeQuarters(windows.norm)) {
    fn(std::true_type{});
  } else {
    fn(std::false_type{});
  }
}

}  // namespace

void localResponseNorm(cudaStream_t stream, const ResponseShape& shape, Floats x, Floats y) {
  const ResponseWindows windows = windowsOf(shape);
  withPower(windows, [&](auto threeQuarters) {
    launchElements(stream, "localResponseNorm", shape.count,
                   ResponseForward<threeQuarters>{windows, x, y});
  });
}

void localResponseNormGrad(cudaStream_t stream, const ResponseShape& shape, Floats gy, Floats x,
                           Floats gx, float* terms) {
  const ResponseWindows windows = windowsOf(shape);
  withPower(windows, [&](auto threeQuarters) {
    launchElements(stream, "localResponseNormTerms", shape.count,
                   ResponseTerms<threeQuarters>{windows, gy, x, terms});
    launchElements(stream, "localResponseNormGrad", shape.count,
                   ResponseBackward<threeQuarters>{windows, gy, x, gx, terms});
  });
}

}  // namespace neuronode::cuda
