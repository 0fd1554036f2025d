/** Owns the stateless forms of softmax. */
import { checkAxis } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

/**
 * exp(x) / sum(exp(x)) along an axis. CrossEntropyLoss takes logits: a network that ends in it has no
 * softmax.
 * @param x Of any shape but a scalar's.
 * @param dim The axis that the sums go along, negative ones counting from the end; -1 by default.
 * @returns Of the shape of x.
 * @throws ArgumentError for what is no tensor, ShapeError for an axis that x does not have.
 */
export function softmax(x: Tensor, dim = -1, who = 'softmax'): Tensor {
  return along('softmax', x, dim, who);
}

/**
 * x - log(sum(exp(x))) along an axis: the logarithm of {@link softmax}, right where that is too small
 * for a number. NLLLoss takes it.
 * @param x Of any shape but a scalar's.
 * @param dim The axis that the sums go along, negative ones counting from the end; -1 by default.
 * @returns Of the shape of x.
 * @throws ArgumentError for what is no tensor, ShapeError for an axis that x does not have.
 */
export function logSoftmax(x: Tensor, dim = -1, who = 'logSoftmax'): Tensor {
  return along('logSoftmax', x, dim, who);
}

function along(op: 'softmax' | 'logSoftmax', x: Tensor, dim: number, who: string): Tensor {
  const input = asTensor(who, x);
  const { tracer, shape } = input;
  const axis = tracer.check(() => checkAxis(who, 'dim', shape, dim));
  if (axis === 0) tracer.mixRows([input]);
  return first(tracer.record(op, [input], { dim: axis }, { who }));
}
