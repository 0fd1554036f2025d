/** Owns the stateless forms of operations that change shapes alone. */
import type { Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

/**
 * Joins the axes `startDim` (0 by default) to `endDim` (the last by default) into one; negative axes
 * count from the end.
 * @throws ArgumentError for what is no tensor, ShapeError for axes that the tensor does not have.
 */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  return asTensor('flatten', x).flatten(startDim, endDim);
}
