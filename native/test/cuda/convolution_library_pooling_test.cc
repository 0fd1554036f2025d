// The imitation of cuDNN's pooling against our own kernels: what the library serves is the same,
// and what it does not serve is refused.
#include "kernels_test.h"
#include "pooling/library_pooling.h"

namespace neuronode::cuda::testing {

namespace {

PoolShape poolShape(int64_t size, int64_t kernel, int64_t stride, int64_t pad) {
  const int64_t out = (size + 2 * pad - kernel) / stride + 1;
  return {2, 5, size, size, out, out, kernel, kernel, stride, stride, pad, pad};
}

class LibraryPoolingTest : public KernelTest {
 protected:
  std::unique_ptr<LibraryPooling> library_ = makeLibraryPooling(stream());
};

TEST_F(LibraryPoolingTest, AgreesWithOurOwn) {
  const PoolShape shapes[] = {poolShape(9, 3, 2, 0), poolShape(8, 2, 2, 0), poolShape(7, 3, 1, 1)};
  for (PoolShape shape : shapes) {
    for (const Storage storage : kStorages) {
      for (const bool max : {true, false}) {
        for (const bool includePad : {true, false}) {
          SCOPED_TRACE(::testing::Message()
                       << shape.h << storageName(storage) << max << includePad);
          shape.countIncludePad = includePad;
          const int64_t xCount = shape.n * shape.c * shape.h * shape.w;
          const int64_t yCount = shape.n * shape.c * shape.oh * shape.ow;
          const FloatArray x(randomFloats(xCount, -1, 1, 1), storage);
          const FloatArray gy(randomFloats(yCount, -1, 1, 2), storage);
          const FloatArray y(yCount, storage), gx(xCount, storage);
          const FloatArray ownY(yCount, storage), ownGx(xCount, storage);
          const DeviceArray<uint8_t> indices(yCount);
          const auto pool = library_->make({shape, max, storage, true});
          ASSERT_TRUE(pool);
          pool->forward(x.floats().at, y.floats().at);
          pool->backward(gy.floats().at, x.floats().at, y.floats().at, gx.floats().at);
          if (max) {
            maxPool(stream(), shape, x.floats(), ownY.floats(), {indices.at(), false});
            maxPoolGrad(stream(), shape, gy.floats(), {indices.at(), false}, {}, ownGx.floats());
          } else {
            avgPool(stream(), shape, x.floats(), ownY.floats());
            avgPoolGrad(stream(), shape, gy.floats(), ownGx.floats());
          }
          const auto near = [&](const std::vector<float>& a, const std::vector<float>& b) {
            // Equal bf16 elements of one window are a draw that each may settle its own way.
            for (size_t i = 0; i < a.size(); ++i) {
              ASSERT_NEAR(a[i], b[i], storage == Storage::F32 ? 1e-6 : 1e-2) << i;
            }
          };
          near(read(y), read(ownY));
          near(read(gx), read(ownGx));
        }
      }
    }
  }
}

TEST_F(LibraryPoolingTest, RefusesWhatTheLibraryDoesNotServe) {
  PoolShape dilated = poolShape(9, 2, 2, 0);
  dilated.dilationH = 2;
  EXPECT_FALSE(library_->make({.shape = dilated}));
  PoolShape ceiled = poolShape(8, 3, 2, 0);
  ++ceiled.oh;
  EXPECT_FALSE(library_->make({.shape = ceiled}));
}

}  // namespace

}  // namespace neuronode::cuda::testing
