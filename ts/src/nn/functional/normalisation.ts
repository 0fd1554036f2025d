/** Owns the stateless forms of normalisation. */
import {
  type LocalResponseNormOptions,
  localResponseNormAttrs,
} from '../../graph/ops/normalisation.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

export type { LocalResponseNormOptions } from '../../graph/ops/normalisation.js';

/**
 * x / (k + alpha m)^beta, m being the mean of x^2 over `size` channels around each element's own:
 * size / 2 (rounded down) before it, the rest behind it, zeros where there are no channels.
 * @param x [N, C, ...] of at least 3 axes
 * @param size Channels of a mean, from 1 to 2^20.
 * @returns A tensor of the shape of x.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for fewer than 3 axes.
 */
export function localResponseNorm(
  x: Tensor,
  size: number,
  options: LocalResponseNormOptions = {},
  who = 'localResponseNorm',
): Tensor {
  const input = asTensor(who, x);
  const attrs = input.tracer.check(() => localResponseNormAttrs(who, size, options));
  return first(input.tracer.record('localResponseNorm', [input], attrs, { who }));
}
