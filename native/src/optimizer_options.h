// The options of optimizer steps as a graph's nodes give them. For every backend.
#pragma once

#include <algorithm>

#include "graph/spec.h"
#include "math/optimizer.h"

namespace neuronode {

inline AdamOptions adamOptions(const Attrs& attrs) {
  // Layouts may hold padding, whose zero moments must not become 0/0. No other quotient notices.
  constexpr double kLeastEps = 1e-37;
  return {.beta1 = attrs.number("beta1"),
          .beta2 = attrs.number("beta2"),
          .eps = std::max(attrs.number("eps"), kLeastEps),
          .weightDecay = attrs.number("weightDecay"),
          .decoupled = attrs.flag("decoupled")};
}

inline SgdOptions sgdOptions(const Attrs& attrs) {
  return {.momentum = attrs.number("momentum"),
          .dampening = attrs.number("dampening"),
          .weightDecay = attrs.number("weightDecay"),
          .nesterov = attrs.flag("nesterov")};
}

}  // namespace neuronode
