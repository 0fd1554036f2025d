// Shapes, element types and layouts: what a buffer's bytes mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace neuronode {

enum class DType : uint8_t { F32, F64, I32, U8 };

size_t dtypeSize(DType dtype);
const char* dtypeName(DType dtype);

using Shape = std::vector<int64_t>;

int64_t elementCount(const Shape& shape);
std::string shapeString(const Shape& shape);

// How elements are placed in memory. A backend may register further layouts of its own and name
// them by ids from kFirstRegistered on.
enum class Layout : int {
  Undecided = -1,  // a parameter or an output whose layout no kernel has chosen yet
  Plain = 0,       // row-major, PyTorch's contiguous order
  Blocked = 1,     // 4-D nChw{V}c: channels in groups of V, V being the backend's channel block
};
inline constexpr int kFirstRegisteredLayout = 16;

struct TensorDesc {
  DType dtype = DType::F32;
  Shape shape;
  Layout layout = Layout::Undecided;
};

}  // namespace neuronode
