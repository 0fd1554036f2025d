// Shapes of convolutions for the tests of kernels.
#pragma once

#include "cpu/convolution/conv_shape.h"

namespace neuronode::testing {

/// The shape with the size of its outputs.
inline ConvShape withOutputs(ConvShape s) {
  s.outH = (s.h + 2 * s.padH - s.dilationH * (s.kernelH - 1) - 1) / s.strideH + 1;
  s.outW = (s.w + 2 * s.padW - s.dilationW * (s.kernelW - 1) - 1) / s.strideW + 1;
  return s;
}

}  // namespace neuronode::testing
