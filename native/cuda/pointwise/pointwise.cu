// Activations and sums, element by element.
#include "kernels/streaming.h"
#include "math/activation.h"
#include "pointwise/pointwise.h"

namespace neuronode::cuda {

struct Relu {
  NN_DEVICE float operator()(float x) const { return math::relu(x); }
};
struct ReluGrad {
  NN_DEVICE float operator()(float gy, float y) const { return math::reluGrad(gy, y); }
};
struct Sigmoid {
  NN_DEVICE float operator()(float x) const { return math::sigmoid(x); }
};
struct SigmoidGrad {
  NN_DEVICE float operator()(float gy, float y) const { return math::sigmoidGrad(gy, y); }
};
struct Add {
  NN_DEVICE float operator()(float a, float b) const { return a + b; }
};

void relu(cudaStream_t stream, Floats x, Floats y, int64_t count) {
  launchStream<Relu>(stream, "relu", y, count, x);
}

void reluGrad(cudaStream_t stream, Floats gy, Floats y, Floats gx, int64_t count) {
  launchStream<ReluGrad>(stream, "reluGrad", gx, count, gy, y);
}

void sigmoid(cudaStream_t stream, Floats x, Floats y, int64_t count) {
  launchStream<Sigmoid>(stream, "sigmoid", y, count, x);
}

void sigmoidGrad(cudaStream_t stream, Floats gy, Floats y, Floats gx, int64_t count) {
  launchStream<SigmoidGrad>(stream, "sigmoidGrad", gx, count, gy, y);
}

void add(cudaStream_t stream, Floats a, Floats b, Floats y, int64_t count) {
  launchStream<Add>(stream, "add", y, count, a, b);
}

}  // namespace neuronode::cuda
