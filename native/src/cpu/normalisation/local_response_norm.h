// Local response normalisation over channels on the CPU, forward and gradient, on plain and blocked
// layouts.
//
// Policy: called from one device thread, parallel inside over pieces of the pixels, no allocation
// in the run functions, bit-identical for every number of threads. Every window is summed by
// itself, in the order of its channels, so that nothing that is not finite goes beyond it. Padding
// lanes of the result are zero. No output may alias an input. Shapes and options are checked by the
// caller.
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/plane_shape.h"
#include "math/local_response_norm.h"

namespace neuronode {

struct LocalResponseNorm {
  PlaneShape shape;
  LocalResponseNormOptions options;
  /// Pieces that may be under way at a time; each has scratch memory of its own.
  int64_t workers;
};

/// Floats of the memory that a run needs beside its tensors, aligned to 64 bytes.
int64_t localResponseNormScratch(const LocalResponseNorm& norm, bool gradient);

struct LocalResponseNormKernels {
  void (*forward)(const LocalResponseNorm& norm, const float* x, float* y, float* scratch);
  void (*backward)(const LocalResponseNorm& norm, const float* gy, const float* x, float* gx,
                   float* scratch);
};

const LocalResponseNormKernels& localResponseNormKernels(Isa isa = detectIsa());

/// How a piece of the pixels of one image lies in scratch memory: an element of each channel and
/// pixel, with zeros before the first channel and behind the last, as many as a window may reach.
///   plain:   [before + c + before, kPixels]
///   blocked: [kPixels, lead + groups * block + lead], lead being `before` in whole blocks
struct ResponsePiece {
  /// Pixels of a piece: whole cache lines of a plain channel; few enough for the first cache where
  /// all channels of a pixel lie together.
  static constexpr int64_t kPlainPixels = 64, kBlockedPixels = 16;

  explicit ResponsePiece(const LocalResponseNorm& norm);

  int64_t before, after;  // channels of a window, no more than there are
  int64_t pixels;         // of a whole piece
  int64_t pieces;         // of one image
  int64_t channelStep;    // from channel to channel in scratch memory
  int64_t pixelStep;      // from pixel to pixel
  int64_t lead;           // the first channel's place
  int64_t floats;         // of the whole, a multiple of 16
};

}  // namespace neuronode
