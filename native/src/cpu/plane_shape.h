// How an activation lies in memory, plain or blocked: what kernels are told of a tensor.
#pragma once

#include <cstdint>

namespace neuronode {

/// An activation of n images, c channels and hw pixels each, plain or with its channels in blocks:
/// element (n, c, i) lies at ((n*G + c/block)*hw + i)*block + c%block with G = ceil(c/block).
/// block = 1 is the plain layout NCHW. The lanes past c ("padding lanes") of a blocked buffer hold
/// zeros. A matrix [N, features] is {N, features, 1, 1}.
struct PlaneShape {
  int64_t n;
  int64_t c;
  int64_t hw;
  int block;

  constexpr int64_t groups() const { return (c + block - 1) / block; }
  /// Floats in the buffer, padding lanes included.
  constexpr int64_t elements() const { return n * groups() * hw * block; }
};

}  // namespace neuronode
