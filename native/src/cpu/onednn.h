// The only file that knows which version of oneDNN it is compiled against: 2.x makes primitives
// from operation descriptors, 3.x straight from their arguments. Others use the functions below.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "error.h"
#include "oneapi/dnnl/dnnl.hpp"

namespace neuronode::onednn {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

struct ConvGeometry {
  Dims strides, dilates, padding;  // dilates in oneDNN's sense: 0 is dense
};

inline const char* codeOf(dnnl_status_t status) {
  return status == dnnl_out_of_memory ? errc::kOutOfMemory : errc::kNative;
}

// Runs `body` and turns oneDNN's exceptions into ours, with the call's name and oneDNN's text.
template <typename Body>
auto guarded(const std::string& call, Body&& body) {
  try {
    return body();
  } catch (const dnnl::error& error) {
    throw Error(codeOf(error.status), "oneDNN: " + call + ": " + error.what() + " (status " +
                                          std::to_string(error.status) + ")");
  }
}

inline dnnl::primitive_attr userScratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

inline dnnl::post_ops reluAfter() {
  dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
  ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
#else
  ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
#endif
  return ops;
}

// All primitives take their scratchpad from the caller. A bias of zero dimensions stands for none.
inline dnnl::convolution_forward::primitive_desc convForward(
    const dnnl::engine& engine, dnnl::prop_kind kind, const Desc& src, const Desc& weights,
    const Desc& bias, const Desc& dst, const ConvGeometry& g,
    const dnnl::primitive_attr& attributes = userScratchpad()) {
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine, kind,      algorithm, src,       weights,   bias,
          dst,    g.strides, g.dilates, g.padding, g.padding, attributes};
#else
  return {{kind, algorithm, src, weights, bias, dst, g.strides, g.dilates, g.padding, g.padding},
          attributes,
          engine};
#endif
}

inline dnnl::convolution_backward_data::primitive_desc convBackwardData(
    const dnnl::engine& engine, const Desc& diffSrc, const Desc& weights, const Desc& diffDst,
    const ConvGeometry& g, const dnnl::convolution_forward::primitive_desc& hint) {
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine,    algorithm, diffSrc,   weights, diffDst,         g.strides,
          g.dilates, g.padding, g.padding, hint,    userScratchpad()};
#else
  return {{algorithm, diffSrc, weights, diffDst, g.strides, g.dilates, g.padding, g.padding},
          userScratchpad(),
          engine,
          hint};
#endif
}

inline dnnl::convolution_backward_weights::primitive_desc convBackwardWeights(
    const dnnl::engine& engine, const Desc& src, const Desc& diffWeights, const Desc& diffBias,
    const Desc& diffDst, const ConvGeometry& g,
    const dnnl::convolution_forward::primitive_desc& hint) {
  const auto algorithm = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  return {engine,    algorithm, src,       diffWeights, diffBias, diffDst,
          g.strides, g.dilates, g.padding, g.padding,   hint,     userScratchpad()};
#else
  return {
      {algorithm, src, diffWeights, diffBias, diffDst, g.strides, g.dilates, g.padding, g.padding},
      userScratchpad(),
      engine,
      hint};
#endif
}

inline Dims dimsOf(const Desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  return desc.get_dims();
#else
  return desc.dims();
#endif
}

}  // namespace neuronode::onednn
