/** Owns the stateless forms of convolutions. */
import { ArgumentError } from '../../errors.js';
import { type ConvOptions, convSettings } from '../../graph/ops/convolution.js';
import { at, checkRank } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { pad } from './joining.js';
import { type Operand, operand } from './operand.js';

export type { ConvOptions } from '../../graph/ops/convolution.js';

/**
 * 2-D convolution.
 * @param x [N, C, H, W]
 * @param weight [K, C / groups, kh, kw]
 * @param bias [K]
 * @returns [N, K, H', W'] with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1. Padding
 *   `'same'` of an odd number adds one more below and on the right, as PyTorch.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit.
 */
export function conv2d(
  x: Tensor,
  weight: Operand,
  bias?: Operand,
  options: ConvOptions = {},
  who = 'conv2d',
): Tensor {
  const input = asTensor(who, x);
  const [w] = operand(who, input, weight);
  if (w === undefined) throw new ArgumentError(`${who} expects a weight, got undefined`);
  const { tracer } = input;
  const { attrs, extra } = tracer.check(() => {
    checkRank(who, 'input', input.shape, ['N', 'C', 'H', 'W']);
    checkRank(who, 'weight', w.shape, ['K', 'C/groups', 'kh', 'kw']);
    return convSettings(who, options, [at(w.shape, 2), at(w.shape, 3)]);
  });
  const padded = pad(input, [0, extra[1], 0, extra[0]], {}, who);
  return first(tracer.record('conv2d', [padded, w, ...operand(who, input, bias)], attrs, { who }));
}
