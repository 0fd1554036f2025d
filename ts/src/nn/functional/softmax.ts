/** Owns the stateless form of softmax. */
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

/**
 * exp(x) / sum(exp(x)) of each row. It has no gradient: the loss takes logits.
 * @param x [N, C]
 * @returns [N, C]
 * @throws ArgumentError for what is no tensor, ShapeError for an input of another rank.
 */
export function softmax(x: Tensor): Tensor {
  const input = asTensor('softmax', x);
  return first(input.tracer.record('softmax', [input]));
}
