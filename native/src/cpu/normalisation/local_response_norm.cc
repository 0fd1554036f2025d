#include "cpu/normalisation/local_response_norm.h"

#include <algorithm>

#include "cpu/isa_tables.h"

namespace neuronode {

NN_ISA_TABLES(LocalResponseNormKernels, localResponseNormTable)

const LocalResponseNormKernels& localResponseNormKernels(Isa isa) {
  return localResponseNormTable(isa);
}

ResponsePiece::ResponsePiece(const LocalResponseNorm& norm)
    : before(std::min(norm.options.before(), norm.shape.c - 1)),
      after(std::min(norm.options.after(), norm.shape.c - 1)) {
  const PlaneShape& shape = norm.shape;
  const int64_t block = shape.block;
  if (block == 1) {
    pixels = kPlainPixels;
    channelStep = pixels;
    pixelStep = 1;
    lead = before * pixels;
    floats = (before + shape.c + before) * pixels;
  } else {
    pixels = kBlockedPixels;
    channelStep = 1;
    lead = (before + block - 1) / block * block;
    pixelStep = lead + shape.groups() * block + lead;
    floats = pixels * pixelStep;
  }
  pieces = (shape.hw + pixels - 1) / pixels;
}

int64_t localResponseNormScratch(const LocalResponseNorm& norm, bool gradient) {
  return norm.workers * ResponsePiece(norm).floats * (gradient ? 2 : 1);
}

}  // namespace neuronode
