/** Owns the stateless forms of dropout. */
import { checkNumber } from '../../arguments.js';
import { at, checkRank } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

/**
 * Sets elements to zero with probability p and scales the others by 1 / (1 - p); the tensor itself
 * where `training` is false. Each call in a network has masks of its own, a function of
 * (seed, step, call, element).
 * @param p From 0 to 1; 0.5 by default.
 * @throws ArgumentError for a p out of its range and for what is no tensor.
 */
export function dropout(x: Tensor, p = 0.5, training = true): Tensor {
  const input = asTensor('dropout', x);
  const { tracer } = input;
  tracer.check(() => checkNumber('dropout', 'p', p, { min: 0, max: 1 }));
  const stream = tracer.dropoutStream();
  if (!training || p === 0) return input;
  const step = tracer.input('step', 'i32', []);
  return first(tracer.record('dropout', [input, step], { p, ...stream }, { who: 'Dropout' }));
}

/**
 * Sets whole channels to zero with probability p and scales the others by 1 / (1 - p); the tensor
 * itself where `training` is false. Each call in a network has masks of its own, a function of
 * (seed, step, call, n * C + c).
 * @param x [N, C, H, W]
 * @param p From 0 to 1; 0.5 by default.
 * @throws ArgumentError for a p out of its range and for what is no tensor, ShapeError for an input
 *   of another rank.
 */
export function dropout2d(x: Tensor, p = 0.5, training = true): Tensor {
  const input = asTensor('dropout2d', x);
  const { tracer } = input;
  const mask = tracer.check(() => {
    checkNumber('dropout2d', 'p', p, { min: 0, max: 1 });
    checkRank('Dropout2d', 'input', input.shape, ['N', 'C', 'H', 'W']);
    return [at(input.shape, 0), at(input.shape, 1), 1, 1];
  });
  const stream = tracer.dropoutStream();
  if (!training || p === 0) return input;
  const step = tracer.input('step', 'i32', []);
  const who = 'Dropout2d';
  const ones = first(tracer.record('fill', [], { value: 1 }, { who, shapes: [mask] }));
  const kept = first(tracer.record('dropout', [ones, step], { p, ...stream }, { who }));
  return input.mul(kept);
}
