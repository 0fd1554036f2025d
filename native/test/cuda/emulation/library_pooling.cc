// makeLibraryPooling for the emulation: what cuDNN's pooling calls compute, and refuse.
//
// Policy: of equal maxima the first gets the gradient; an element that several windows chose sums
// them. Real cuDNN promises no more than that.
#include "pooling/library_pooling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core.h"
#include "status.h"
#include "stored.h"

namespace neuronode::cuda {

namespace emulation {

namespace {

int64_t xCount(const PoolShape& s) { return s.n * s.c * s.h * s.w; }
int64_t yCount(const PoolShape& s) { return s.n * s.c * s.oh * s.ow; }

// What a window covers of one axis.
struct Span {
  int64_t begin, end;
};
Span spanOf(int64_t out, int64_t kernel, int64_t stride, int64_t pad, int64_t in) {
  const int64_t first = out * stride - pad;
  return {std::max<int64_t>(first, 0), std::min(first + kernel, in)};
}

// body(place in y, place in x) for each element of each window, windows in order.
template <class Window, class Element>
void eachWindow(const PoolShape& s, Window window, Element element) {
  for (int64_t i = 0; i < yCount(s); ++i) {
    const int64_t c = i % s.c, pixel = i / s.c;
    const int64_t image = pixel / (s.oh * s.ow);
    const Span rows = spanOf(pixel / s.ow % s.oh, s.kernelH, s.strideH, s.padH, s.h);
    const Span columns = spanOf(pixel % s.ow, s.kernelW, s.strideW, s.padW, s.w);
    const int64_t size = s.countIncludePad
                             ? s.kernelH * s.kernelW
                             : (rows.end - rows.begin) * (columns.end - columns.begin);
    window(i, size);
    for (int64_t h = rows.begin; h < rows.end; ++h) {
      for (int64_t w = columns.begin; w < columns.end; ++w) {
        element(((image * s.h + h) * s.w + w) * s.c + c);
      }
    }
  }
}

void poolForward(const LibraryPoolProblem& p, const void* x, void* y) {
  int64_t at = -1, size = 0;
  float value = 0;
  const auto finish = [&] {
    if (at >= 0) store(y, p.storage, at, p.max ? value : value / static_cast<float>(size));
  };
  eachWindow(
      p.shape,
      [&](int64_t place, int64_t elements) {
        finish();
        at = place, size = elements;
        value = p.max ? -std::numeric_limits<float>::infinity() : 0.0F;
      },
      [&](int64_t place) {
        const float element = load(x, p.storage, place);
        if (!p.max) {
          value += element;
        } else if (element > value || std::isnan(element)) {
          value = element;
        }
      });
  finish();
}

void poolBackward(const LibraryPoolProblem& p, const void* gy, const void* x, const void* y,
                  void* gx) {
  // Kept from call to call: work that faults is left by a jump, which would lose them.
  static thread_local std::vector<double> sums;
  sums.assign(xCount(p.shape), 0.0);
  float gradient = 0, maximum = 0;
  bool given = false;
  eachWindow(
      p.shape,
      [&](int64_t place, int64_t elements) {
        gradient = load(gy, p.storage, place);
        if (p.max) {
          maximum = load(y, p.storage, place);
        } else {
          gradient /= static_cast<float>(elements);
        }
        given = false;
      },
      [&](int64_t place) {
        if (p.max) {
          const float element = load(x, p.storage, place);
          const bool chosen = element == maximum || (std::isnan(element) && std::isnan(maximum));
          if (given || !chosen) return;
          given = true;
        }
        sums[place] += gradient;
      });
  for (int64_t i = 0; i < xCount(p.shape); ++i) {
    store(gx, p.storage, i, static_cast<float>(sums[i]));
  }
}

class EmulatedPool : public LibraryPool {
 public:
  EmulatedPool(cudaStream_t stream, const LibraryPoolProblem& problem)
      : stream_(stream), problem_(problem) {
    kernelName = std::string("emulated cudnn ") + (problem.max ? "maxPool" : "avgPool");
  }

  void forward(const void* x, void* y) override {
    const auto work = [p = problem_, x, y] {
      requireDevice(x, bytes(p, xCount(p.shape)), "pooling's x");
      requireDevice(y, bytes(p, yCount(p.shape)), "pooling's y");
      poolForward(p, x, y);
    };
    checkCuda(enqueue(stream_, "cudnnPoolingForward", work), "cudnnPoolingForward");
  }

  void backward(const void* gy, const void* x, const void* y, void* gx) override {
    const auto work = [p = problem_, gy, x, y, gx] {
      requireDevice(gy, bytes(p, yCount(p.shape)), "pooling's gy");
      requireDevice(y, bytes(p, yCount(p.shape)), "pooling's y");
      requireDevice(x, bytes(p, xCount(p.shape)), "pooling's x");
      requireDevice(gx, bytes(p, xCount(p.shape)), "pooling's gx");
      poolBackward(p, gy, x, y, gx);
    };
    checkCuda(enqueue(stream_, "cudnnPoolingBackward", work), "cudnnPoolingBackward");
  }

 private:
  static size_t bytes(const LibraryPoolProblem& problem, int64_t count) {
    return static_cast<size_t>(count) * storageSize(problem.storage);
  }

  cudaStream_t stream_;
  LibraryPoolProblem problem_;
};

class EmulatedPooling : public LibraryPooling {
 public:
  explicit EmulatedPooling(cudaStream_t stream) : stream_(stream) {}

  std::shared_ptr<LibraryPool> make(const LibraryPoolProblem& problem) override {
    checkCuda(api("cudnnCreate", kWaits | kAllocates, [] { return cudaSuccess; }), "cudnnCreate");
    const PoolShape& s = problem.shape;
    const auto floored = [](int64_t in, int64_t kernel, int64_t stride, int64_t pad) {
      return (in + 2 * pad - kernel) / stride + 1;
    };
    const bool served = s.dilationH == 1 && s.dilationW == 1 &&
                        s.oh == floored(s.h, s.kernelH, s.strideH, s.padH) &&
                        s.ow == floored(s.w, s.kernelW, s.strideW, s.padW);
    return served ? std::make_shared<EmulatedPool>(stream_, problem) : nullptr;
  }

 private:
  cudaStream_t stream_;
};

}  // namespace

}  // namespace emulation

std::unique_ptr<LibraryPooling> makeLibraryPooling(cudaStream_t stream) {
  return std::make_unique<emulation::EmulatedPooling>(stream);
}

}  // namespace neuronode::cuda
